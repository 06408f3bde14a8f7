"""Prefix: the names of whole pages of tokens, by which a prompt finds what others have read before it.

    key_0 = SHA-256(salt)        key_p = SHA-256(key_(p-1) · the B token ids of page p - 1)

A key names a page together with everything before it, since keys and values depend on all of that. SHA-256, because who
could make two texts of one name would be answered from another's text. Requests find only pages of their own salt:
how fast an answer comes tells whether somebody sent the same prompt before.
"""

import hashlib
from array import array
from collections.abc import Sequence

from octavo.engine.config import EngineConfig


def are_kept(config: EngineConfig, *, window: int | None) -> bool:
    """Whether an engine keeps names: not with a sliding window, behind which the first pages are given back."""
    return config.enable_prefix_caching and window is None


def first_key(salt: str) -> bytes:
    """The key of the empty text."""
    return hashlib.sha256(salt.encode("utf-8", "surrogatepass")).digest()


def next_key(key: bytes, page_token_ids: Sequence[int]) -> bytes:
    """The key of a text that has one page of tokens more than that of ``key``."""
    return hashlib.sha256(key + array("q", page_token_ids).tobytes()).digest()
