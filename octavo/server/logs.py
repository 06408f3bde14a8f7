"""Log lines that no text from outside can break, forge or colour: what is no plain character is spelled out."""

import logging


class OneLine(logging.Formatter):
    """One line a record; a traceback, which is ours, stands below it."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        first, *rest = super().format(record).split("\n") if record.exc_info else [super().format(record)]
        return "\n".join([first if first.isprintable() else _spelled_out(first), *rest])


def _spelled_out(text: str) -> str:
    """The text with each character that a terminal could obey written as Python would write it."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def log_to_stderr(logger: logging.Logger, *, level: int = logging.INFO) -> None:
    """Sends a logger's lines, and those below it, to stderr and nowhere else."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("octavo: %(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"))
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False
