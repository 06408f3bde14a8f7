"""``octavo import``: a file of another program becomes a trace, or one line says why not."""

import json
from pathlib import Path

import numpy as np
import pytest

from octavo.analysis.store import RouteTrace
from octavo.tokenizer import Tokenizer
from tests.cli.conftest import Run

GOLDEN = Path(__file__).parents[1] / "golden" / "mixtral-8x7b-expert-counts.json"
MINI = Path(__file__).parents[2] / "octavo" / "mini"


def answered(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    rows = generator.permuted(np.tile(np.arange(8), (6, 8, 1)), axis=2)[:, :, :2]
    ids = Tokenizer.from_folder(MINI).encode("The old captain")
    answer = {
        "id": "r",
        "prompt_token_ids": ids,
        "prompt_routed_experts": rows[: len(ids)].tolist(),
        "choices": [{"routed_experts": rows[len(ids) :].tolist(), "token_ids": [9] * (7 - len(ids))}],
    }
    path = tmp_path / "prose.json"
    path.write_text(json.dumps(answer))
    return path


def test_answers_of_a_server_become_a_trace(octavo: Run, tmp_path: Path) -> None:
    out = tmp_path / "run.route"
    model = ("--model", "octavo-mini", "--tokenizer", MINI)
    done = octavo("import", answered(tmp_path), "--format", "vllm", *model, "-o", out)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{out}: 7 tokens, 1 document(s); which expert came first is not known\n"
    trace = RouteTrace.open(out)
    assert trace.domains == ("prose",) and b"".join(trace.token_bytes(each) for each in (9,))
    assert trace.special_ids == Tokenizer.from_folder(MINI).special_ids


def test_the_numbers_stand_in_for_a_model(octavo: Run, tmp_path: Path) -> None:
    out = tmp_path / "run.route"
    numbers = ("--num-experts", 8, "--num-experts-per-tok", 2, "--layers", "0-7")
    done = octavo("import", answered(tmp_path), "--format", "vllm", *numbers, "--domain", "d", "-o", out, "--json")
    assert json.loads(done.stdout) == {
        "trace": str(out),
        "documents": 1,
        "tokens": 7,
        "statistics_only": False,
        "rank_ordered": None,
        "special_tokens": "unknown",
    }
    assert RouteTrace.open(out).domains == ("d",)


def test_counts_become_a_trace_of_counts(octavo: Run, tmp_path: Path) -> None:
    out = tmp_path / "mixtral.route"
    done = octavo("import", GOLDEN, "--format", "olmoe", "-o", out)
    assert done.stdout == f"{out}: 1,044,480 tokens, counts only\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "ids alone do not say how many experts there were"),
        (("--num-experts", 8), "half of a model: want --num-experts, --num-experts-per-tok and --layers"),
        (("--model", "octavo-mini", "--layers", "0-7"), "give it, or the numbers, not both"),
        (("--model", "mixtral-8x7b"), "8 layers, the model 32 MoE layers"),
        (
            ("--num-experts", 4, "--num-experts-per-tok", 2, "--layers", "0-7"),
            "want 0 to 3; check the number of experts",
        ),
        (("--num-experts", 8, "--num-experts-per-tok", 2, "--layers", "7-0"), "layers '7-0': want numbers and ranges"),
    ],
)
def test_what_does_not_fit_is_one_line(octavo: Run, tmp_path: Path, flags: tuple[object, ...], message: str) -> None:
    done = octavo("import", answered(tmp_path), "--format", "vllm", *flags, "-o", tmp_path / "run.route")
    assert done.exit_code == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "run.route").exists()


def test_a_file_that_is_not_there_and_a_format_that_is_none(octavo: Run, tmp_path: Path) -> None:
    flags = ("--model", "octavo-mini", "-o", tmp_path / "run.route")
    done = octavo("import", tmp_path / "no.json", "--format", "vllm", *flags)
    assert done.exit_code == 2 and "no.json cannot be read" in done.stderr
    assert octavo("import", answered(tmp_path), "--format", "csv", *flags).exit_code == 2
