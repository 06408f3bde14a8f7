"""Text to token ids and back, one way for every tokenizer file that a Mistral or Mixtral folder may hold."""

from octavo.tokenizer.chat import ChatFormat
from octavo.tokenizer.decoder import StreamDecoder
from octavo.tokenizer.files import has_tokenizer_files
from octavo.tokenizer.tokenizer import Tokenizer
from octavo.tokenizer.vocabulary import Vocabulary

__all__ = ["ChatFormat", "StreamDecoder", "Tokenizer", "Vocabulary", "has_tokenizer_files"]
