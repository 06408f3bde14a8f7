"""The adapter to lm-eval, tried where lm-eval is: in the environment that ``benchmarks.clients.environments`` builds.

Without that environment these tests skip themselves, unless OCTAVO_CLIENT_TESTS says that they may not.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.clients.environments import is_built, python_of, quiet_env
from benchmarks.clients.items import TASKS, write_items
from benchmarks.promises.evals import read_answers

needs_lm_eval = pytest.mark.skipif(
    not is_built("lm-eval") and os.environ.get("OCTAVO_CLIENT_TESTS") != "1",
    reason="lm-eval is not here: python -m benchmarks.clients.environments lm-eval",
)
ASK = """
import json, sys
from types import SimpleNamespace as Asked
import octavo.lm_eval
from lm_eval.api.registry import get_model
from octavo import LLM, SamplingParams

lm = get_model("octavo")(add_bos_token=True, batch_invariant=True, max_model_len=128)
llm = LLM(batch_invariant=True, max_model_len=128)
asked = lambda *arguments: Asked(args=arguments)
messages = [{"role": "user", "content": "What is 7 + 12?"}]
chat = lm.apply_chat_template(messages)
score = llm.score("The old captain went home")[0]
context = len(llm.tokenizer.encode("The old captain"))
text = "It was a dark night. " * 40
print(json.dumps({
    "scored": lm.loglikelihood([asked("The old captain", " went home"), asked("", "went home"), asked(chat, " 19")]),
    "score": sum(score.logprobs[context:]),
    "rolling": lm.loglikelihood_rolling([asked("The old captain"), asked(text)]),
    "rolled": sum(llm.score("The old captain")[0].logprobs[1:]),
    "written": lm.generate_until([
        asked("The old captain", {"max_gen_toks": 8, "do_sample": False}),
        asked(chat, {"max_gen_toks": 8, "until": "zzz", "temperature": 0.0}),
        asked(text, {"until": ["."], "max_gen_toks": 100}),
    ]),
    "wanted": [
        llm.generate("The old captain", SamplingParams(max_tokens=8, temperature=0))[0].outputs[0].text,
        llm.chat(messages, SamplingParams(max_tokens=8, temperature=0))[0].outputs[0].text,
    ],
    "names": [lm.tokenizer_name, lm.chat_template(True), lm.chat_template(False)],
}))
"""


@needs_lm_eval
def test_the_adapter_says_what_the_library_says() -> None:
    call = [str(python_of("lm-eval")), "-c", ASK]
    done = subprocess.run(call, env=quiet_env(OMP_NUM_THREADS="1"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["scored"][0][0] == pytest.approx(found["score"])
    assert all(score < 0 for score, _ in found["scored"])
    assert found["rolling"][0] == pytest.approx(found["rolled"])
    assert found["rolling"][1] < found["rolling"][0]
    assert found["written"][:2] == found["wanted"]
    assert "." not in found["written"][2]
    assert found["names"][0] == "octavo:octavo-mini"
    assert found["names"][1:] == ["TemplateFormat", None] or found["names"][2] is None


@needs_lm_eval
def test_lm_evals_own_command_line_knows_octavo(tmp_path: Path) -> None:
    write_items(tmp_path, share=0.05)
    command = [str(python_of("lm-eval")), "-m", "octavo.lm_eval", "run", "--model", "octavo", "--log_samples"]
    command += ["--model_args", "max_model_len=512", "--include_path", str(TASKS), "--tasks", "octavo_sums"]
    command += ["--apply_chat_template", "--output_path", str(tmp_path / "out")]
    env = quiet_env(HF_HOME=str(tmp_path / "hf"), HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", OMP_NUM_THREADS="1")
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(dict(read_answers(tmp_path / "out"))) == 3
    assert "octavo_sums" in done.stdout


def test_nothing_else_imports_it_or_lm_eval() -> None:
    code = "import sys, octavo, octavo.cli, octavo.api.llm; print([n for n in sys.modules if 'lm_eval' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
