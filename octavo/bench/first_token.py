"""A process from its start to its first token: ``python -m octavo.bench.first_token SETTINGS``, timed from outside.

SETTINGS is a Plea as JSON. The token that comes is printed, so that starts can be compared.
"""

import json
import sys

from octavo.api.llm import LLM
from octavo.bench.subject import Plea, find_subject, make_model
from octavo.engine.config import EngineConfig
from octavo.engine.params import SamplingParams

PROMPT = [1, 5, 9, 13, 17, 21, 25, 29]


def first_token(plea: Plea) -> int:
    """The first token after a short prompt, from nothing."""
    subject = find_subject(plea)
    limits = EngineConfig()
    llm = LLM.of(make_model(subject, limits), config=limits)
    params = SamplingParams(
        temperature=0.0, max_tokens=1, ignore_eos=True, detokenize=False, routing=llm.config.is_sparse
    )
    prompt = [token % llm.config.vocab_size for token in PROMPT]
    return llm.generate({"prompt_token_ids": prompt}, params)[0].outputs[0].token_ids[0]


if __name__ == "__main__":
    print(first_token(Plea(**json.loads(sys.argv[1]))), flush=True)
