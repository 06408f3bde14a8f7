"""The tokenizer files that mistral-common ships, and folders made from them."""

from functools import cache
from pathlib import Path

import mistral_common
import pytest
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors

from octavo.tokenizer.sentencepiece import read_sentencepiece
from octavo.tokenizer.training import train_bpe, write_tokenizer_files

SHIPPED = Path(mistral_common.__file__).parent / "data"
SENTENCEPIECE = {
    "v1": SHIPPED / "tokenizer.model.v1",
    "v2": SHIPPED / "mistral_instruct_tokenizer_240216.model.v2",
    "v3": SHIPPED / "mistral_instruct_tokenizer_240323.model.v3",
    "v7": SHIPPED / "mistral_instruct_tokenizer_241114.model.v7",
}
TEKKEN = SHIPPED / "tekken_240911.json"

PROSE = [
    "The quick brown fox jumps over the lazy dog, and the dog doesn't mind at all.\n",
    "def area(radius):\n    return 3.14159 * radius ** 2\n\n\nprint(area(10))\n",
    "L'homme qui rit n'est pas l'homme qu'on croit; c'est une autre histoire.\n",
]


@pytest.fixture(scope="session")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as our trainer writes it."""
    folder = tmp_path_factory.mktemp("own")
    write_tokenizer_files(folder, train_bpe(PROSE * 20, vocab_size=400, alphabet_size=60), context_length=2048)
    return folder


@cache
def mixtral_json(*, metaspace: bool, added: tuple[str, ...] = (), ordinary: tuple[str, ...] = ()) -> str:
    """The v1 vocabulary as a tokenizer.json, in the older (Prepend) or the newer (Metaspace) way to mark spaces, with
    special tokens ``added`` to it, and then ``ordinary`` ones."""
    encoder, vocabulary = read_sentencepiece(SENTENCEPIECE["v1"])
    tokenizer = Tokenizer.from_str(encoder.bpe.to_str())
    if metaspace:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in (*vocabulary.control, *added)])
    tokenizer.add_tokens(list(ordinary))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    return tokenizer.to_str()
