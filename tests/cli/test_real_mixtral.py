"""What the published counts of the real Mixtral-8x7B give: the figures that its routing is known by, from the tool."""

import json
from pathlib import Path

import mistral_common
import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.importers.olmoe import EVERY_TOKEN, read_file
from octavo.analysis.importers.shape import RouterShape
from octavo.analysis.statistics import CATALOGUE
from octavo.analysis.statistics.rows import Row
from octavo.errors import TraceError
from tests.cli.conftest import Run

GOLDEN = Path(__file__).parents[1] / "golden"
COUNTS = GOLDEN / "mixtral-8x7b-expert-counts.json"
TOKEN_COUNTS = GOLDEN / "mixtral-8x7b-token-expert-counts.json.xz"
SHAPE = RouterShape(num_experts=8, k=2, layers=(0, 7, 15))
TOKENIZER = Path(mistral_common.__file__).parent / "data" / "tokenizer.model.v1"


@pytest.fixture(scope="module")
def mixtral() -> Accumulators:
    return read_file(COUNTS)


def of(source: Accumulators, name: str, **wanted: object) -> list[Row]:
    return CATALOGUE[name].function(source, selection=EVERY_TOKEN, **wanted)


def values(rows: list[Row], result: str = "value", **keys: object) -> list[float]:
    return [each[result] for each in rows if all(each[key] == value for key, value in keys.items())]


@pytest.mark.parametrize(
    ("domain", "layer", "choice", "percent"),
    [
        ("arxiv", 0, "either", [26.7, 24.9, 25.2, 24.2, 21.3, 31.7, 21.4, 24.6]),
        ("book", 0, "either", [29.6, 18.4, 25.5, 26.1, 25.5, 28.2, 22.0, 24.7]),
        ("github", 0, "either", [26.3, 24.9, 23.7, 23.3, 23.7, 32.4, 22.9, 22.9]),
        ("arxiv", 15, "either", [29.3, 25.2, 19.2, 12.2, 28.7, 29.3, 29.2, 26.9]),
        ("book", 15, "either", [25.3, 27.8, 32.4, 10.1, 26.2, 24.0, 29.4, 24.8]),
        ("github", 15, "either", [28.8, 26.8, 20.5, 18.5, 21.3, 33.2, 27.4, 23.6]),
        ("arxiv", 0, "first", [10.9, 16.5, 15.9, 15.3, 12.3, 8.7, 12.8, 7.5]),
        ("book", 0, "first", [16.1, 10.4, 16.2, 19.7, 13.1, 5.7, 11.4, 7.4]),
        ("github", 0, "first", [13.1, 15.8, 14.5, 11.7, 14.7, 10.6, 13.4, 6.0]),
    ],
)
def test_shares_are_those_that_were_published(
    mixtral: Accumulators, domain: str, layer: int, choice: str, percent: list[float]
) -> None:
    rows = of(mixtral, "assignment-share", norm="tokens")
    found = values(rows, domain=domain, layer=layer, choice=choice)
    assert [round(100 * each, 1) for each in found] == percent
    assert values(rows, "null_uniform", domain=domain, layer=layer, choice=choice)[0] == (
        0.25 if choice == "either" else 0.125
    )


def test_first_and_second_choices_are_complements_at_layer_0(mixtral: Accumulators) -> None:
    # As figure 9 of the paper shows it, on other texts: experts 5 and 7 are seldom first and often second.
    for domain in mixtral.domains:
        rows = of(mixtral, "assignment-share")
        first, second = (values(rows, domain=domain, layer=0, choice=choice) for choice in ("first", "second"))
        assert all(second[expert] > 1.3 * first[expert] for expert in (5, 7))
        assert second[3] < first[3]


@pytest.mark.parametrize(
    ("layer", "percent"), [(0, [13.27, 14.06, 13.39, 13.17, 13.25]), (15, [13.41, 13.82, 12.94, 13.74, 13.04])]
)
def test_chance_is_above_an_eighth_where_first_choices_are_uneven(
    mixtral: Accumulators, layer: int, percent: list[float]
) -> None:
    rows = of(mixtral, "repetition")
    found = values(rows, "null_marginal", layer=layer, choice="first")
    assert [round(100 * each, 2) for each in found] == percent
    # No order of tokens was published, so there is no rate to hold against it.
    assert all(each["value"] is None and each["n"] == 0 for each in rows)
    assert values(rows, "null_uniform", layer=0, choice="either")[0] == pytest.approx(13 / 28)


def test_the_papers_gutenberg_is_at_chance_for_books_at_layer_0(mixtral: Accumulators) -> None:
    paper = json.loads((GOLDEN / "mixtral-paper.json").read_text())["table_5"]["percent"]
    (books,) = values(of(mixtral, "repetition"), "null_marginal", domain="book", layer=0, choice="first")
    assert paper["Gutenberg"]["first_choice"][0] / 100 < books


def test_domains_grow_apart_with_depth(mixtral: Accumulators) -> None:
    rows = of(mixtral, "domain-specialisation", measure=["jsd"])

    def bits(one: str, other: str) -> list[float]:
        return values(rows, domain=one, other=other)

    assert bits("arxiv", "github") == pytest.approx([0.00056, 0.0026, 0.0054], rel=0.02)
    assert bits("book", "github") == pytest.approx([0.0033, 0.0050, 0.0136], rel=0.02)
    assert all(first < last for first, _, last in (bits("arxiv", "book"), bits("c4", "github"), bits("arxiv", "c4")))


def test_the_busiest_expert_is_an_eighth_to_a_third_above_the_mean_at_layer_15(mixtral: Accumulators) -> None:
    found = values(of(mixtral, "load", measure=["max-violation"]), layer=15)
    assert [round(each, 2) for each in found] == [0.17, 0.29, 0.12, 0.33, 0.19]


def test_published_pairs_of_layers_are_of_the_same_rank(mixtral: Accumulators) -> None:
    # What the script that counted them zips: first with first and second with second, over the same tokens.
    published = json.loads(COUNTS.read_text())["counts"]
    for domain in mixtral.domains:
        rank_LKE = mixtral.table("rank", [domain])
        for pair, (before, after) in enumerate(((0, 1), (1, 2))):
            both, first = (
                np.array(published[domain][name][pair])
                for name in ("cross_layer_same_rank", "cross_layer_first_choice")
            )
            assert np.array_equal(both.sum(axis=1), rank_LKE[before].sum(axis=0))
            assert np.array_equal(both.sum(axis=0), rank_LKE[after].sum(axis=0))
            assert np.array_equal(first.sum(axis=1), rank_LKE[before, 0])
            assert np.array_equal(first.sum(axis=0), rank_LKE[after, 0])


def test_what_needs_order_or_pairs_is_refused(mixtral: Accumulators) -> None:
    for name, wanted in (("co-activation", "kept without"), ("transitions", "kept without")):
        with pytest.raises(TraceError, match=wanted):
            of(mixtral, name)
    tokens = read_file(TOKEN_COUNTS, SHAPE)
    with pytest.raises(TraceError, match="nobody knows which expert came first"):
        of(tokens, "assignment-share", choice=["first"])
    assert {each["choice"] for each in of(tokens, "assignment-share")} == {"either"}


def test_the_tool_says_which_tokens_each_expert_prefers(octavo: Run, tmp_path: Path) -> None:
    numbers = ("--num-experts", 8, "--num-experts-per-tok", 2, "--layers", "0,7,15")
    flags = ("--choice", "either", "--option", "top=12", "--option", "min_count=200", "--json")
    texts: dict[tuple[int, int], list[str]] = {}
    for words in ((), ("--tokenizer", TOKENIZER)):
        out = tmp_path / f"tokens{len(words)}.route"
        done = octavo("import", TOKEN_COUNTS, "--format", "olmoe", *numbers, *words, "-o", out)
        assert done.exit_code == 0, done.stderr
        rows = json.loads(octavo("stats", out, "preferred-tokens", *flags).stdout)
        assert all((each["token"] is None) == (not words) for each in rows)
        for each in rows if words else ():
            texts.setdefault((each["layer"], each["expert"]), []).append(each["token"])
    # In the middle of the model experts have parts of speech, whatever the topic.
    assert {" is", " was", " be", " are", " have", " had"} <= set(texts[15, 2])
    assert {" I", " you", " it", " he", " we"} <= set(texts[15, 4])
    assert {" and", " of", " to", " for", " with", " on"} <= set(texts[15, 6])
    # At the first layer indentation goes to the same two.
    assert {"   ", "       "} <= set(texts[0, 5]) & set(texts[0, 6])


def test_the_command_line_prints_the_shares_and_chances(octavo: Run, tmp_path: Path) -> None:
    octavo("import", COUNTS, "--format", "olmoe", "-o", tmp_path / "m.route")
    share = octavo("stats", tmp_path / "m.route", "assignment-share", "--option", "norm=tokens", "--layer", "15")
    assert "0.1008" in share.stdout or "0.1007" in share.stdout
    chance = json.loads(octavo("stats", tmp_path / "m.route", "repetition", "--layer", "0", "--json").stdout)
    assert [round(100 * each, 2) for each in values(chance, "null_marginal", choice="first")] == [
        13.27,
        14.06,
        13.39,
        13.17,
        13.25,
    ]
