"""Windows: texts cut to the context, in an order and in batches that depend on the texts alone."""

from collections.abc import Iterator

import pytest

from octavo.api.llm import LLM
from octavo.collect.texts import Text
from octavo.collect.windows import Group, Limits, Spelling, Turns, Window
from octavo.errors import RequestError
from octavo.tokenizer import Tokenizer
from tests.collect.conftest import PROSE


@pytest.fixture(scope="module")
def tokenizer(llm: LLM) -> Tokenizer:
    assert llm.tokenizer is not None
    return llm.tokenizer


def text(domain: str, words: int, name: str = "n") -> Text:
    return Text(domain=domain, name=name, source="", text="fox " * words)


def turns(tokenizer: Tokenizer, texts: dict[str, list[Text]], *, mixed: bool = False, **limits: int) -> Turns:
    held = Limits(**({"context": 64} | limits))
    groups = [Group(domain=None if mixed else domain, texts=iter(each)) for domain, each in texts.items()]
    return Turns(groups, Spelling(tokenizer, context=held.context, bos=True), held)


def test_a_text_that_fits_is_one_document_as_the_tokenizer_has_it(tokenizer: Tokenizer) -> None:
    (window,) = turns(tokenizer, {"a": [Text(domain="a", name="n", source="s", text=PROSE[0])]}).windows()
    assert list(window.token_ids) == tokenizer.encode(PROSE[0])
    assert (window.name, window.source, window.number) == ("n", "s", 0)


def test_a_longer_text_is_cut_and_each_piece_begins_as_a_text_does(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(PROSE[0], add_bos=False)
    found = list(turns(tokenizer, {"a": [Text(domain="a", name="n", source="", text=PROSE[0])]}, context=8).windows())
    assert [window.name for window in found] == [f"n@{7 * n}" for n in range(len(found))]
    assert all(window.token_ids[0] == tokenizer.bos_id for window in found)
    assert [token for window in found for token in window.token_ids[1:]] == ids


def test_without_bos_a_document_is_the_text_alone(tokenizer: Tokenizer) -> None:
    (piece,) = Spelling(tokenizer, context=64, bos=False).cut(PROSE[0])
    assert list(piece) == tokenizer.encode(PROSE[0], add_bos=False)


def test_the_domain_with_the_fewest_tokens_is_next(tokenizer: Tokenizer) -> None:
    texts = {
        "long": [text("long", 24, f"l{n}") for n in range(2)],
        "short": [text("short", 8, f"s{n}") for n in range(9)],
    }
    found = turns(tokenizer, texts)
    names = [window.name for window in found.windows()]
    assert names[:4] == ["l0", "s0", "s1", "s2"]
    assert sorted(names) == sorted(each.name for group in texts.values() for each in group)
    assert found.num_tokens == sum(found.tokens_of.values())


def test_a_limit_is_met_to_the_token(tokenizer: Tokenizer) -> None:
    def texts() -> dict[str, list[Text]]:
        return {name: [text(name, 20, f"{name}{n}") for n in range(50)] for name in ("a", "b")}

    whole = turns(tokenizer, texts(), max_tokens=101)
    assert sum(len(window.token_ids) for window in whole.windows()) == 101
    assert whole.share == 1.0
    each = turns(tokenizer, texts(), max_tokens_per_domain=55)
    assert sum(len(window.token_ids) for window in each.windows()) == 110
    assert each.tokens_of == {"a": 55, "b": 55}
    assert each.share == 1.0
    assert turns(tokenizer, texts()).share == 0.0


def test_no_window_holds_nothing_but_the_beginning(tokenizer: Tokenizer) -> None:
    first = len(tokenizer.encode("fox " * 20))
    found = turns(tokenizer, {"a": [text("a", 20, f"{n}") for n in range(5)]}, max_tokens=first + 1)
    assert [len(window.token_ids) for window in found.windows()] == [first]


def test_a_full_domain_lets_the_others_of_its_file_go_on(tokenizer: Tokenizer) -> None:
    texts = [text("a", 20, "a0"), text("a", 20, "a1"), text("b", 20, "b0")]
    found = turns(tokenizer, {"any": texts}, mixed=True, max_tokens_per_domain=30)
    assert {window.domain for window in found.windows()} == {"a", "b"}
    assert found.tokens_of["a"] == 30


def test_a_full_domain_reads_no_further(tokenizer: Tokenizer) -> None:
    def endless() -> Iterator[Text]:
        number = 0
        while True:
            yield text("a", 20, str(number))
            number += 1

    held = Limits(context=64, max_tokens_per_domain=50)
    found = Turns([Group(domain="a", texts=endless())], Spelling(tokenizer, context=64, bos=True), held)
    assert sum(len(window.token_ids) for window in found.windows()) == 50


def test_batches_hold_every_window_once_and_keep_to_their_bounds(tokenizer: Tokenizer) -> None:
    texts = {name: [text(name, 3 + n, f"{name}{n}") for n in range(12)] for name in ("a", "b")}
    batches = list(turns(tokenizer, texts, context=16).batches(batch_tokens=40, batch_windows=3))
    flat: list[Window] = [window for batch in batches for window in batch]
    assert [window.number for window in flat] == list(range(len(flat)))
    assert max(map(len, batches)) == 3
    assert all(sum(len(window.token_ids) for window in batch) <= 40 for batch in batches)
    alone = list(turns(tokenizer, {"a": [text("a", 40)]}).batches(batch_tokens=8, batch_windows=3))
    assert len(alone) > 1 and all(len(batch) == 1 for batch in alone)


@pytest.mark.parametrize("name", ["context", "max_tokens", "max_tokens_per_domain"])
def test_a_limit_below_two_tokens_is_refused(name: str) -> None:
    with pytest.raises(RequestError, match=f"--{name.replace('_', '-')} is 1: want at least 2"):
        Limits(**({"context": 8} | {name: 1}))


def test_a_context_without_room_for_a_text_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(RequestError, match="leaves no room"):
        Spelling(tokenizer, context=1, bos=True)
