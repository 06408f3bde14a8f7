"""A model folder's tokenizer: text to ids, ids to text, conversations to ids."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from octavo.errors import RequestError, TokenizerError
from octavo.tokenizer.chat import VERSIONS, ChatFormat, MistralFormat, TemplateFormat
from octavo.tokenizer.configuration import Configuration, read_configuration
from octavo.tokenizer.decoder import StreamDecoder, decode, texts_by_token
from octavo.tokenizer.encoder import Encoder
from octavo.tokenizer.files import (
    WANTED,
    hugging_face_file,
    is_sentencepiece,
    is_tekken,
    mistral_file,
    sentencepiece_version,
)
from octavo.tokenizer.sentencepiece import read_sentencepiece
from octavo.tokenizer.tekken import read_tekken
from octavo.tokenizer.template import ChatTemplate
from octavo.tokenizer.tokenizer_json import read_tokenizer_json
from octavo.tokenizer.vocabulary import Vocabulary

Mode = Literal["auto", "hf", "mistral"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer:
    """Turns text into ids and back. Text never becomes a control token: those come from here or from the chat format.

    ``prefix_ids`` and ``suffix_ids`` are the control tokens that the folder puts around a prompt, most often just the
    one that begins a text; ``eos_ids`` end a text; ``chat`` is None where the folder says nothing of conversations.
    """

    encoder: Encoder
    vocabulary: Vocabulary
    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]
    eos_ids: tuple[int, ...]
    chat: ChatFormat | None
    path: Path

    @classmethod
    def from_folder(cls, folder: str | os.PathLike[str], *, mode: Mode = "auto") -> "Tokenizer":
        """Reads the tokenizer of a model folder: tokenizer.json ("hf"), or Mistral's own tekken.json or
        tokenizer.model ("mistral"); "auto" takes the first that is there. Raises TokenizerError."""
        folder = Path(folder)
        candidates = (hugging_face_file(folder) if mode != "mistral" else None,
                      mistral_file(folder) if mode != "hf" else None)  # fmt: skip
        path = next((path for path in candidates if path is not None), None)
        if path is None:
            wanted = {"hf": "tokenizer.json", "mistral": WANTED.replace("tokenizer.json, ", "")}.get(mode, WANTED)
            found = "no tokenizer file" if folder.is_dir() else "no folder"
            raise TokenizerError(
                f"{folder}: {found} was found, {wanted} was wanted; add it, or give token ids instead of text"
            )
        return cls.from_file(path)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> "Tokenizer":
        """Reads the tokenizer file at ``path`` with the configuration beside it. Raises TokenizerError."""
        path = Path(path)
        configuration = read_configuration(path.parent)
        if not path.is_file():
            raise TokenizerError(f"{path}: no file was found, {WANTED} was wanted; check the path")
        if is_tekken(path.name):
            encoder, vocabulary, version = read_tekken(path)
            return _mistral(path, encoder, vocabulary, version, configuration)
        if is_sentencepiece(path.name):
            encoder, vocabulary = read_sentencepiece(path)
            version = sentencepiece_version(path.name) or _guessed_version(vocabulary)
            return _mistral(path, encoder, vocabulary, version, configuration)
        return _hugging_face(path, configuration)

    @property
    def vocab_size(self) -> int:
        """The number of ids, control tokens included: one more than the highest."""
        return len(self.vocabulary.tokens)

    @property
    def bos_id(self) -> int | None:
        """The id that begins a text."""
        return self.vocabulary.bos_id

    @property
    def eos_id(self) -> int | None:
        """The id that ends a text."""
        return self.vocabulary.eos_id

    @property
    def special_ids(self) -> frozenset[int]:
        """The ids of the control tokens."""
        return self.vocabulary.control_ids

    def encode(self, text: str, *, add_bos: bool | None = None) -> list[int]:
        """Gives the ids of ``text``, with what the folder puts around a prompt (None), with the beginning token only
        (True), or bare (False). Raises RequestError if the text is not Unicode, or there is no beginning token."""
        if not isinstance(text, str):
            raise RequestError(f"a text of type {type(text).__name__} was found, str was wanted; give str or token ids")
        ids = self.encoder.encode(text)
        if add_bos is None:
            return [*self.prefix_ids, *ids, *self.suffix_ids]
        if not add_bos:
            return ids
        if self.bos_id is None:
            raise RequestError(f"add_bos was asked for, but {self.path} has no beginning token; leave it out")
        return [self.bos_id, *ids]

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = True, starts_text: bool = True) -> str:
        """Gives the text of ``ids``. ``starts_text=False`` keeps the space before the first word, for ids that
        continue a text. Raises TokenizerError for a negative id; an id without a token has no text."""
        return decode(self.vocabulary, ids, skip_special_tokens=skip_special_tokens, starts_text=starts_text)

    def stream(self, *, skip_special_tokens: bool = True, starts_text: bool = True) -> StreamDecoder:
        """Gives a decoder to push ids into one by one; the parameters are those of :meth:`decode`."""
        return StreamDecoder(self.vocabulary, skip_special_tokens=skip_special_tokens, starts_text=starts_text)

    def texts_by_token(self, ids: Iterable[int], *, starts_text: bool = True) -> Iterator[str]:
        """Gives the text that each of ``ids`` completes, so that the texts joined are the whole, control tokens spelled
        out; "" for a token that completes no character."""
        return texts_by_token(self.vocabulary, ids, starts_text=starts_text)

    def token_text(self, token_id: int) -> str:
        """Gives the text of one token by itself: its spelling where its bytes are no whole character. Raises
        TokenizerError if there is no such token."""
        if not 0 <= token_id < self.vocab_size or not self.vocabulary.tokens[token_id]:
            raise TokenizerError(
                f"token id {token_id} was found, the id of a token was wanted; {self.path} has ids 0 to "
                f"{self.vocab_size - 1}"
            )
        try:
            return self.vocabulary.pieces[token_id].decode()
        except UnicodeDecodeError:
            return self.vocabulary.tokens[token_id]

    def encode_chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[int]:
        """Gives the ids of a conversation, ready for the model's reply if ``add_generation_prompt``. Raises
        RequestError if the messages are not a conversation, or the folder has no chat format."""
        if self.chat is None:
            raise RequestError(
                f"messages were found, but {self.path.parent} has no chat template; give a prompt, or add one as "
                "chat_template.jinja"
            )
        return self.chat.encode(messages, add_generation_prompt=add_generation_prompt, tools=tools)


def _mistral(
    path: Path, encoder: Encoder, vocabulary: Vocabulary, version: str, configuration: Configuration
) -> Tokenizer:
    if version not in VERSIONS:
        raise TokenizerError(
            f"{path}: version {version} was found, one of {', '.join(VERSIONS)} was wanted; use a folder with "
            "tokenizer.json"
        )
    chat: ChatFormat
    try:
        vocabulary = vocabulary.with_added(configuration.added, configuration.special)
        if configuration.template is not None:
            chat = _template_format(configuration, encoder, vocabulary, {})
        else:
            chat = MistralFormat(version=version, encoder=encoder, vocabulary=vocabulary)
    except TokenizerError as error:
        raise TokenizerError(f"{path}: {error}") from None
    begin = () if vocabulary.bos_id is None else (vocabulary.bos_id,)
    return Tokenizer(
        encoder=encoder,
        vocabulary=vocabulary,
        prefix_ids=begin,
        suffix_ids=(),
        eos_ids=_ends(vocabulary, configuration),
        chat=chat,
        path=path,
    )


def _guessed_version(vocabulary: Vocabulary) -> str:
    """Gives the chat version of a plain tokenizer.model, by the control tokens that it has."""
    if "[INST]" not in vocabulary.control:
        return "v1"
    if "[SYSTEM_PROMPT]" in vocabulary.control:
        return "v7"
    return "v3" if "[PREFIX]" in vocabulary.control else "v2"


def _hugging_face(path: Path, configuration: Configuration) -> Tokenizer:
    read = read_tokenizer_json(path, configuration.tokenizer, configuration.special)
    chat = None
    if configuration.template is not None:
        chat = _template_format(configuration, read.encoder, read.vocabulary, read.takes_space)
    return Tokenizer(
        encoder=read.encoder,
        vocabulary=read.vocabulary,
        prefix_ids=read.prefix_ids,
        suffix_ids=read.suffix_ids,
        eos_ids=_ends(read.vocabulary, configuration),
        chat=chat,
        path=path,
    )


def _template_format(
    configuration: Configuration,
    encoder: Encoder,
    vocabulary: Vocabulary,
    takes_space: Mapping[str, tuple[bool, bool]],
) -> TemplateFormat:
    assert configuration.template is not None
    special = dict(configuration.special)
    for name, token_id in (("bos_token", vocabulary.bos_id), ("eos_token", vocabulary.eos_id)):
        if token_id is not None:
            special.setdefault(name, vocabulary.tokens[token_id])
    return TemplateFormat(
        template=ChatTemplate(configuration.template, where=str(configuration.template_path)),
        encoder=encoder,
        vocabulary=vocabulary,
        special=special,
        takes_space=takes_space,
    )


def _ends(vocabulary: Vocabulary, configuration: Configuration) -> tuple[int, ...]:
    own = () if vocabulary.eos_id is None else (vocabulary.eos_id,)
    return tuple(dict.fromkeys(own + configuration.eos_ids))
