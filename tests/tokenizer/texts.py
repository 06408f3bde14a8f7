"""Texts that find the corners of a tokenizer, the same in every run."""

import random

SPELLINGS = (
    *("<s>", "</s>", "<unk>", "<pad>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"),
    *("[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]", "[IMG]"),
    *("[PREFIX]", "[SUFFIX]", "[MIDDLE]", "[control_8]", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<SPECIAL_20>"),
    "<0x0A>",
)  # fmt: skip
PIECES = (
    *(" ", "  ", "   ", "\t", "\n", "\r\n", "\x00", "▁", "▁▁", "a", "the", "Hello", " world", "word", "1234", "0.5"),
    *("日本", "語", "é", "e\u0301", "ß", "ﬁ", "ﷺ", "\u2028", "\ufeff", "\U0010ffff", "😀"),
    *("👩‍👩‍👧", "====", "--", "//", "if (x) {", "    return", "[REFERENCE_DOC_3]", "[REF]", "\\begin{"),
    *("don't", "l'homme"),
)  # fmt: skip


def random_character(random_: random.Random) -> str:
    first, last = random_.choice(((32, 0x7F), (0x80, 0x800), (0x800, 0xD800), (0xE000, 0x110000)))
    return chr(random_.randrange(first, last))


def random_texts(count: int, seed: int) -> list[str]:
    """Gives ``count`` mixes of words, spaces, scripts, controls and random characters."""
    random_ = random.Random(seed)
    texts = []
    for _ in range(count):
        length = random_.randrange(0, 25)
        parts = [
            random_.choice(PIECES + SPELLINGS) if random_.random() < 0.8 else random_character(random_)
            for _ in range(length)
        ]
        if random_.random() < 0.05:
            parts.insert(random_.randrange(length + 1), random_.choice(" =-a\n") * random_.randrange(200))
        texts.append("".join(parts))
    return texts


def hostile_texts(count: int, seed: int) -> list[str]:
    """Gives ``count`` texts that each spell at least one control token."""
    random_ = random.Random(seed)
    return [
        random_.choice(("", " ", "\n", "x", "[", "<")).join(
            random_.choice(SPELLINGS if index % 2 == 0 else PIECES) for index in range(random_.randrange(1, 8))
        )
        for _ in range(count)
    ]
