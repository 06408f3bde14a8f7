"""/v1/completions through the stock client: what it says is what LLM says, whole and in a stream."""

from octavo import LLM, SamplingParams
from tests.server.live import Live

PROMPT = "The old captain"


def test_greedy_text_is_the_models_own(mini_server: Live, mini: LLM) -> None:
    answer = mini_server.client.completions.create(model="octavo-mini", prompt=PROMPT, max_tokens=12, temperature=0)
    (expected,) = mini.generate(PROMPT, SamplingParams(max_tokens=12, temperature=0))
    assert answer.choices[0].text == expected.outputs[0].text
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 12
    assert answer.usage.prompt_tokens == len(expected.prompt_token_ids)
