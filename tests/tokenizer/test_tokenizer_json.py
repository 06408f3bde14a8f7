"""A tokenizer.json gives the ids and texts of transformers, and a damaged one is refused by name."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Pipeline

from octavo.errors import TokenizerError
from octavo.tokenizer import Tokenizer
from tests.tokenizer.conftest import PROSE, mixtral_json
from tests.tokenizer.texts import hostile_texts, random_texts


@pytest.mark.parametrize("metaspace", [False, True])
def test_a_tokenizer_json_gives_the_ids_and_texts_of_transformers(tmp_path: Path, metaspace: bool) -> None:
    from transformers import PreTrainedTokenizerFast

    (tmp_path / "tokenizer.json").write_text(mixtral_json(metaspace=metaspace))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))
    theirs = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    ours = Tokenizer.from_folder(tmp_path)
    for text in random_texts(2_000, seed=32):
        if not any(token in text for token in ("<s>", "</s>", "<unk>")):
            assert ours.encode(text) == theirs(text)["input_ids"]
            ids = ours.encode(text, add_bos=False)
            assert ours.decode(ids) == theirs.decode(ids)


def byte_level() -> Pipeline:
    """A tokenizer of the kind of GPT-2 and Llama 3: bytes as characters, control tokens after the rest."""
    tokenizer = Pipeline(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        PROSE * 20, trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|begin|>", AddedToken("<|end|>", rstrip=True, normalized=False)])
    begin = [("<|begin|>", tokenizer.token_to_id("<|begin|>"))]
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(), processors.TemplateProcessing(single="<|begin|> $A", special_tokens=begin)]
    )
    return tokenizer


def test_a_byte_level_file_gives_the_ids_and_texts_of_transformers(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    (tmp_path / "tokenizer.json").write_text(byte_level().to_str())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<|begin|>", "eos_token": "<|end|>"}))
    theirs = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    ours = Tokenizer.from_folder(tmp_path)
    assert (ours.bos_id, ours.eos_id, ours.special_ids) == (330, 331, {330, 331})
    for text in random_texts(2_000, seed=33):
        ids = ours.encode(text)
        assert ids == theirs(text)["input_ids"] and ids[0] == 330
        assert ours.decode(ids) == text == theirs.decode(ids[1:])
    for text in hostile_texts(1_000, seed=34):
        assert ours.special_ids.isdisjoint(ours.encode("<|begin|>" + text + "<|end|>", add_bos=False))


@pytest.mark.parametrize("strips", [False, True])
def test_a_control_token_takes_the_space_beside_it_as_in_transformers(tmp_path: Path, strips: bool) -> None:
    from transformers import PreTrainedTokenizerFast

    tokenizer = byte_level()
    tokenizer.add_special_tokens([AddedToken("<|turn|>", lstrip=strips, rstrip=strips, normalized=False)])
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_str())
    template = "{{ '<|begin|> fox  <|turn|> \\n dog <|end|> ' + messages[0].content }}"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    theirs = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    messages = [{"role": "user", "content": " the lazy"}]
    expected = theirs.apply_chat_template(messages, return_dict=False)
    assert Tokenizer.from_folder(tmp_path).encode_chat(messages) == expected


def test_a_merge_that_spells_a_control_token_is_left_out(tmp_path: Path) -> None:
    content = json.loads(mixtral_json(metaspace=False))
    content["model"]["merges"].insert(0, ["<", "s"])
    content["model"]["merges"].insert(1, ["<s", ">"])
    content["model"]["vocab"]["<s"] = 32000
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    assert 1 not in Tokenizer.from_folder(tmp_path).encode("<s>", add_bos=False)


def test_an_added_token_without_its_mark_is_a_control_token_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(mixtral_json(metaspace=False, ordinary=("<|im_start|>", "ordinary")))
    ours = Tokenizer.from_folder(tmp_path)
    assert ours.vocabulary.control["<|im_start|>"] == 32000
    assert 32000 not in ours.encode("x<|im_start|>y") and 32001 in ours.encode("an ordinary day")


def edited(own_folder: Path, **changes: Any) -> str:
    return json.dumps(json.loads((own_folder / "tokenizer.json").read_text()) | changes)


WRONG: dict[str, tuple[Any, str]] = {
    "empty": ("", "Expecting value"),
    "no JSON": ("<html>404</html>", "Expecting value"),
    "a list": ("[]", "a JSON list was found"),
    "nested too deep": ("[" * 100_000, "nested too deep"),
    "no model": ("{}", "KeyError 'model'"),
    "a unigram": ({"model": {"type": "Unigram", "vocab": []}}, "a Unigram tokenizer was found"),
    "a text as model": ({"model": "x"}, "was wanted"),
    "a merge of nothing": ({"model": {"vocab": {"a": 0}, "merges": ["a b"]}}, "was wanted"),
    "an id that is text": ({"model": {"vocab": {"a": "x"}, "merges": []}}, "id 'x' for token 'a'"),
    "a huge id": ({"model": {"vocab": {"a": 10**12}, "merges": []}}, "id 1000000000000"),
    "one id for two": (
        {"model": {"vocab": {"a": 9, "b": 9}, "merges": []}},
        "two tokens with one id",
    ),
    "a strange decoder": ({"decoder": {"type": "WordPiece"}}, 'decoder step {"type": "WordPiece"}'),
    "a strange end": ({"post_processor": {"type": "BertProcessing"}}, "BertProcessing was found"),
    "a strange splitter": ({"pre_tokenizer": {"type": "Nonsense"}}, "was wanted"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_damaged_file_is_refused_in_one_line_that_names_it(own_folder: Path, tmp_path: Path, case: str) -> None:
    content, found = WRONG[case]
    shutil.copytree(own_folder, tmp_path, dirs_exist_ok=True)
    if isinstance(content, dict):
        content = edited(own_folder, **content)
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(TokenizerError) as caught:
        Tokenizer.from_folder(tmp_path)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "tokenizer.json")) and found in message
    assert "\n" not in message and len(message) < 500


def test_a_truncated_tokenizer_json_is_refused(own_folder: Path, tmp_path: Path) -> None:
    whole = (own_folder / "tokenizer.json").read_bytes()
    for size in range(0, len(whole.rstrip()), 997):
        (tmp_path / "tokenizer.json").write_bytes(whole[:size])
        with pytest.raises(TokenizerError, match=r"tokenizer.json: .* was wanted; fetch the file again"):
            Tokenizer.from_folder(tmp_path)
