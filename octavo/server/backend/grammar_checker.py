"""A process that tries whether a grammar can be compiled, so that time and memory can be taken from one that cannot.

    python -m octavo.server.backend.grammar_checker

It reads messages of ``backend.link`` from standard input, first the model's tokens, then grammars, and answers
each on standard output: ``pieces, PIECES, CONTROL, ENDS, BEGIN`` · ``check, KIND, SOURCE`` -> ``checked, TEXT``, the
text empty where it can be used.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys

from octavo.errors import RequestError
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.backend.grammar_matching import Matchers, Pieces
from octavo.server.backend.link import Deframer, Message, framed

MOST_MEMORY = 2**31
_PR_SET_PDEATHSIG = 1


def answer(matchers: Matchers, message: Message) -> str:
    """Why a grammar cannot be used, empty where it can."""
    try:
        matchers.compile(GrammarSpec(kind=message[1], source=message[2]))
    except RequestError as error:
        return str(error)
    return ""


def main(descriptor_in: int, descriptor_out: int) -> None:
    """Answers until its input ends."""
    with contextlib.suppress(OSError, AttributeError):  # Linux alone knows it; elsewhere its input's end must do
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    deframer = Deframer()
    matchers: Matchers | None = None
    while received := os.read(descriptor_in, 2**18):
        for message in deframer.feed(received):
            if message[0] == "pieces":
                pieces, control, ends, begin = message[1:]
                matchers = Matchers(
                    Pieces(pieces=tuple(pieces), control_ids=frozenset(control), eos_ids=tuple(ends), bos_id=begin)
                )
                continue
            assert matchers is not None, "tokens come before grammars"
            reply = framed(["checked", answer(matchers, message)])
            while reply:
                reply = reply[os.write(descriptor_out, reply) :]


if __name__ == "__main__":
    main(sys.stdin.fileno(), sys.stdout.fileno())
