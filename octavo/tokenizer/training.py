"""A byte-fallback BPE trained on texts of one's own, and the folder files that other libraries read it from.

Ids: the five control tokens, then the 256 byte tokens <0x00> to <0xFF>, then the pieces in the order they were learnt.
No normaliser touches the text and a space stays a space, so that every text comes back exactly as it went in;
a character outside the alphabet is spelled in bytes.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from octavo.errors import TokenizerError

CONTROL_TOKENS = ("<unk>", "<s>", "</s>", "[INST]", "[/INST]")
BYTE_TOKENS = tuple(f"<0x{byte:02X}>" for byte in range(256))

# A word takes the space and the punctuation before it (", and", "\begin", "(x"), and its apostrophes ("l'homme"); a
# digit stands alone but for the same company before it, so that numbers are read place by place; a line's end goes
# with the punctuation before it and the indentation after it. Chosen among 16 by bytes a token on held-out text.
_LETTER = r"[\p{L}\p{M}]"
_PUNCTUATION = r"[^\s\p{L}\p{N}]"
SPLIT = "|".join((
    rf" ?{_PUNCTUATION}* ?(?:{_LETTER}+(?:['’]{_LETTER}+)*['’]?|\p{{N}})",
    rf" ?{_PUNCTUATION}+(?:[\r\n]+[ \t]*)?",
    r"[\r\n]+[ \t]*",
    r"\s+(?!\S)",
    r"\s+",
))  # fmt: skip

# The v3 form: the system prompt stands before the last question, two line ends between them.
CHAT_TEMPLATE = """\
{%- set turns = namespace(system=none, last=-1, expected='user') -%}
{%- for message in messages -%}
  {%- if message['role'] == 'user' -%}
    {%- set turns.last = loop.index0 -%}
  {%- elif message['role'] == 'system' and loop.first -%}
    {%- set turns.system = message['content'] -%}
  {%- endif -%}
{%- endfor -%}
{{- bos_token -}}
{%- for message in messages -%}
  {%- if message['role'] == 'system' and loop.first -%}
  {%- elif message['role'] != turns.expected -%}
    {{- raise_exception('the roles must be an optional system, then user and assistant in turn, starting with user') -}}
  {%- elif message['role'] == 'user' -%}
    {%- set turns.expected = 'assistant' -%}
    {{- '[INST] ' -}}
    {%- if loop.index0 == turns.last and turns.system is not none -%}
      {{- turns.system + '\\n\\n' -}}
    {%- endif -%}
    {{- message['content'] + '[/INST]' -}}
  {%- else -%}
    {%- set turns.expected = 'user' -%}
    {{- ' ' + message['content'] + eos_token -}}
  {%- endif -%}
{%- endfor -%}
"""


def train_bpe(
    texts: Iterable[str], *, vocab_size: int, alphabet_size: int = 160, max_piece_length: int = 24
) -> Tokenizer:
    """Learns a byte-fallback BPE of ``vocab_size`` ids from ``texts``.

    ``alphabet_size`` is the number of characters that have an id of their own (the most frequent ones); the others are
    spelled in bytes. ``max_piece_length`` is in characters. The merges are learnt as in Sennrich et al.
    (arXiv 1508.07909). Raises TokenizerError if ``vocab_size`` leaves no room, or if the texts hold too few pairs.
    """
    reserved = CONTROL_TOKENS + BYTE_TOKENS
    if vocab_size <= len(reserved) + alphabet_size:
        raise TokenizerError(
            f"a vocabulary of {vocab_size} was asked for, but {len(reserved)} control and byte tokens and "
            f"{alphabet_size} characters come first; ask for more than {len(reserved) + alphabet_size}"
        )
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    learner.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocab_size - len(reserved),
            limit_alphabet=alphabet_size,
            max_token_length=max_piece_length,
            show_progress=False,
        ),
    )
    learnt = json.loads(learner.to_str())["model"]
    pieces = sorted(learnt["vocab"], key=learnt["vocab"].__getitem__)
    # The split lets no piece hold a whole bracketed word, so none can be spelled like a reserved token.
    assert not set(pieces) & set(reserved)
    if len(pieces) + len(reserved) < vocab_size:
        raise TokenizerError(
            f"the texts gave {len(pieces) + len(reserved)} ids, {vocab_size} were asked for; "
            "give more text or ask for fewer ids"
        )
    return _assemble(reserved + tuple(pieces), [(left, right) for left, right in learnt["merges"]])


def _assemble(tokens: tuple[str, ...], merges: list[tuple[str, str]]) -> Tokenizer:
    """Builds the tokenizer whose id i is ``tokens[i]``."""
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in CONTROL_TOKENS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    return tokenizer


def write_tokenizer_files(
    folder: str | os.PathLike[str], tokenizer: Tokenizer, *, context_length: int, chat_template: str = CHAT_TEMPLATE
) -> None:
    """Writes ``tokenizer.json``, ``tokenizer_config.json`` and ``special_tokens_map.json`` of a :func:`train_bpe`
    tokenizer into ``folder``, as Octavo and transformers read them; ``context_length`` is in tokens."""
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **special,
        "add_bos_token": True,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context_length,
        "chat_template": chat_template,
    }
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    (path / "tokenizer.json").write_text(tokenizer.to_str(pretty=True), encoding="utf-8", newline="\n")
    for name, content in (("tokenizer_config.json", config), ("special_tokens_map.json", special)):
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (path / name).write_text(text, encoding="utf-8", newline="\n")
