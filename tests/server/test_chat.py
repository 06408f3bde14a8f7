"""/v1/chat/completions through the stock client: what it says is what LLM says, whole and in a stream."""

from octavo import LLM, SamplingParams
from tests.server.live import Live

ASK = [{"role": "user", "content": "Who was the captain?"}]


def test_a_greedy_reply_is_the_models_own(mini_server: Live, mini: LLM) -> None:
    answer = mini_server.client.chat.completions.create(model="octavo-mini", messages=ASK, max_tokens=12, temperature=0)
    (expected,) = mini.chat(ASK, SamplingParams(max_tokens=12, temperature=0))
    assert answer.choices[0].message.content == expected.outputs[0].text
    assert answer.choices[0].message.role == "assistant"


def test_a_streamed_reply_is_the_whole_one(mini_server: Live) -> None:
    asked = {"model": "octavo-mini", "messages": ASK, "max_tokens": 12, "temperature": 0}
    whole = mini_server.client.chat.completions.create(**asked)
    chunks = list(mini_server.client.chat.completions.create(**asked, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == "length"
