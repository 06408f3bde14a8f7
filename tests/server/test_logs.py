"""A log line is one line, whatever somebody sent."""

import logging
import sys

import pytest

from octavo.server.logs import OneLine, log_to_stderr


def line(message: str, **fields: object) -> str:
    record = logging.LogRecord("octavo", logging.INFO, "", 0, message, None, fields.get("exc_info"))  # type: ignore[arg-type]
    return OneLine("%(message)s").format(record)


def test_no_text_breaks_forges_or_colours_a_line() -> None:
    assert line("GET /a\r\n2026 forged \x1b[31mred") == "GET /a\\r\\n2026 forged \\x1b[31mred"
    assert line("a\u2028b\u202ec\ud800") == "a\\u2028b\\u202ec\\ud800"
    assert line("Grüße, 世界") == "Grüße, 世界"


def test_a_traceback_stays_a_traceback() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        text = line("it\x00 failed", exc_info=sys.exc_info())
    assert text.startswith("it\\x00 failed\nTraceback")
    assert "ValueError" in text


def test_a_logger_is_heard_once(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("octavo.test_logs")
    log_to_stderr(logger)
    log_to_stderr(logger)
    logger.info("hello")
    logger.debug("nothing")
    told = capsys.readouterr().err
    assert told.startswith("octavo: ")
    assert told.endswith(" hello\n")
    assert told.count("hello") == 1
