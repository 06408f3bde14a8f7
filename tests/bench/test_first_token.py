"""From nothing to a first token."""

import json
import subprocess
import sys

from octavo import LLM, SamplingParams
from octavo.bench.first_token import PROMPT, first_token
from octavo.bench.subject import Plea

PLEA = Plea(shape="octavo-mini", random_weights=False, device="cpu")


def test_the_first_token_is_that_of_the_library() -> None:
    params = SamplingParams(temperature=0.0, max_tokens=1, ignore_eos=True)
    wanted = LLM(device="cpu").generate({"prompt_token_ids": PROMPT}, params)[0].outputs[0].token_ids[0]
    assert first_token(PLEA) == wanted


def test_a_process_prints_it_and_nothing_else() -> None:
    settings = json.dumps({"shape": "octavo-mini", "random_weights": False, "device": "cpu"})
    call = [sys.executable, "-m", "octavo.bench.first_token", settings]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert done.stdout == f"{first_token(PLEA)}\n"
