"""The checker answers each grammar in its turn, ends with its input, and takes no more memory than it may."""

import subprocess
import sys

from octavo.server.backend.link import Deframer, Message, framed

PIECES = [b"a", b"b", b"ab", b"</s>"]


def answers(*asked: Message) -> list[str]:
    child = subprocess.Popen(
        [sys.executable, "-m", "octavo.server.backend.grammar_checker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    told = b"".join(map(framed, [["pieces", PIECES, [3], [3], None], *asked]))
    written, _ = child.communicate(told, timeout=60)
    assert child.returncode == 0
    return [message[1] for message in Deframer().feed(written)]


def test_each_is_answered_in_turn() -> None:
    found = answers(["check", "regex", "a+b"], ["check", "regex", "(a"], ["check", "regex", "b"])
    assert [bool(reason) for reason in found] == [False, True, False]
    assert "unclosed group" in found[1]


def test_it_ends_with_its_input() -> None:
    assert answers() == []


def test_it_limits_its_own_memory() -> None:
    script = (
        "import os, resource, octavo.server.backend.grammar_checker as checker\n"
        "r, w = os.pipe(); os.close(w)\n"
        "checker.main(r, 1)\n"
        "assert resource.getrlimit(resource.RLIMIT_AS)[0] == checker.MOST_MEMORY\n"
        "try:\n    bytearray(3 * 2**30)\nexcept MemoryError:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"
