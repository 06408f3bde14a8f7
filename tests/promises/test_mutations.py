"""Mutations: the same from the same seed, wrong in many ways, and right often enough to reach what lies deeper."""

import json
import random
from collections import Counter

from benchmarks.promises.mutations import SEEDS, mutate, places
from benchmarks.promises.raw_sockets import STREAM, WHOLE, odd_bytes, pieces


def test_a_seed_gives_the_same_again() -> None:
    for turn in range(200):
        assert mutate(random.Random(f"1 {turn}")) == mutate(random.Random(f"1 {turn}"))
        assert odd_bytes(random.Random(f"1 {turn}")) == odd_bytes(random.Random(f"1 {turn}"))


def test_many_bodies_are_json_and_many_are_not() -> None:
    kinds: Counter[str] = Counter()
    for turn in range(2000):
        path, body, _ = mutate(random.Random(turn))
        kinds[path] += 1
        try:
            json.loads(body)
            kinds["json"] += 1
        except ValueError:
            kinds["not json"] += 1
    assert kinds["json"] > 600
    assert kinds["not json"] > 300
    assert min(kinds[path] for path, _ in SEEDS) > 100


def test_every_part_of_a_value_is_a_place() -> None:
    value = {"a": [1, {"b": 2}], "c": 3}
    assert sorted(str(key) for _, key in places(value)) == ["0", "1", "a", "b", "c"]
    assert places(5) == []


def test_pieces_are_the_whole() -> None:
    for seed in range(100):
        rng = random.Random(seed)
        sent = rng.randbytes(seed)
        assert b"".join(pieces(rng, sent)) == sent


def test_the_requests_among_the_oddities_say_their_length_truly() -> None:
    head, body = STREAM.split(b"\r\n\r\n")
    assert b"Content-Length: %d\r\n" % len(body) in head + b"\r\n"
    assert json.loads(body)["stream"]
    assert len(WHOLE) > 30
