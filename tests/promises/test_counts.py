"""The server's counts are its clients' own, to the last token; and a difference would be seen."""

from collections import Counter

from benchmarks.promises.counts import Tally, counts, differences, payloads


def test_metrics_hold_what_clients_have_counted() -> None:
    promise = counts(0.03, 11)
    assert promise.failed == 0, promise.detail
    assert promise.tried == 60 + 3
    assert promise.detail["refused"] and promise.detail["tokens_written"]


def test_a_token_too_many_is_seen() -> None:
    told = Tally(prompt_tokens=5, finished=Counter(stop=2), rejected=Counter(bad_request=1))
    found = Tally(prompt_tokens=6, finished=Counter(stop=2, abort=0))
    assert differences(told, told) == []
    assert differences(told, found) == [
        "prompt_tokens: clients 5, metrics 6",
        "rejected bad_request: clients 1, metrics 0",
    ]


def test_a_stream_is_read_object_by_object() -> None:
    assert list(payloads('data: {"a": 1}\n\ndata: {"b": 2}\n\ndata: [DONE]\n\n')) == [{"a": 1}, {"b": 2}]
    assert list(payloads('{"a": 1}')) == [{"a": 1}]
