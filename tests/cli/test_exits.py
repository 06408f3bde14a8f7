"""Every failure is one line on stderr and an exit code."""

import warnings

import pytest
import torch

from octavo.cli.exits import (
    BAD_MODEL,
    BUG,
    OUT_OF_MEMORY,
    USAGE,
    complain,
    explain,
    guarded,
    one_line_errors,
    opening_model,
)
from octavo.errors import (
    CheckpointError,
    ConfigError,
    CorpusError,
    OctavoError,
    OverCapacity,
    RequestError,
    TokenizerError,
)


def ending(error: BaseException, *, opening: bool = False) -> int:
    """The exit code of a command that raises this."""

    def fail() -> None:
        raise error

    def fail_at_the_model() -> None:
        with opening_model():
            raise error

    with pytest.raises(SystemExit) as end:
        guarded(fail_at_the_model if opening else fail)()
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RequestError("no such layer"), USAGE),
        (ConfigError("no such device"), USAGE),
        (TokenizerError("negative id"), USAGE),
        (CorpusError("not UTF-8"), USAGE),
        (OctavoError("logits are not finite"), USAGE),
        (CheckpointError("no such folder"), BAD_MODEL),
        (OverCapacity("no room"), OUT_OF_MEMORY),
        (MemoryError(), OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), OUT_OF_MEMORY),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), OUT_OF_MEMORY),
        (FileNotFoundError(2, "No such file or directory", "prompt.txt"), USAGE),
        (OSError(28, "No space left on device"), USAGE),
        (KeyError("layer"), BUG),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 0),
    ],
)
def test_an_error_has_its_exit_code(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # It gives the process's own stdout away, here pytest's; tests/cli/test_cli.py does it in a process of its own.
    monkeypatch.setattr("octavo.cli.exits.drop_output", lambda: None)
    assert ending(error) == code


@pytest.mark.parametrize("kind", [CheckpointError, ConfigError, TokenizerError])
def test_errors_of_a_models_files_say_so(kind: type[OctavoError], capfd: pytest.CaptureFixture[str]) -> None:
    assert ending(kind("config.json: dim is missing"), opening=True) == BAD_MODEL
    assert capfd.readouterr().err == "octavo: config.json: dim is missing\n"


def test_an_error_is_one_line_whatever_it_holds(capfd: pytest.CaptureFixture[str]) -> None:
    complain("first\nsecond\x1b[31m\r\ttab\u202e")
    assert capfd.readouterr().err == "octavo: first second\\x1b[31m tab\\u202e\n"


def test_a_bug_is_called_one(capfd: pytest.CaptureFixture[str]) -> None:
    ending(ZeroDivisionError("division by zero"))
    error = capfd.readouterr().err
    assert error.startswith("octavo: this is a bug: ZeroDivisionError: division by zero")
    assert error.count("\n") == 1


def test_debugging_shows_where_it_came_from(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OCTAVO_DEBUG", "1")
    assert ending(ConfigError("dim is missing"), opening=True) == BAD_MODEL
    error = capfd.readouterr().err
    assert "fail_at_the_model" in error
    assert error.endswith("octavo: dim is missing\n")


def test_running_out_of_memory_names_ways_out() -> None:
    _, message = explain(MemoryError())
    assert "--dtype" in message
    assert "--max-model-len" in message


def test_a_file_that_is_not_there_is_named() -> None:
    assert explain(FileNotFoundError(2, "No such file or directory", "a.txt"))[1].startswith("a.txt: No such file")


def test_a_warning_is_one_line_too(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with one_line_errors():
            warnings.warn("config.json: ignoring unknown field(s) 'x'", stacklevel=1)
    assert capfd.readouterr().err == "octavo: warning: config.json: ignoring unknown field(s) 'x'\n"
