"""Groups of flags reach a command whole, and their defaults are the library's."""

import dataclasses
from typing import Annotated

import typer
from typer.testing import CliRunner

from octavo.cli.flags import ModelFlags, SamplingFlags, ViewFlags, expand
from octavo.engine.config import EngineConfig
from octavo.engine.params import SamplingParams


def test_a_command_gets_its_groups_whole() -> None:
    app = typer.Typer()
    heard: list[object] = []

    @app.command()
    @expand
    def listen(
        word: str, *, loud: Annotated[bool, typer.Option()] = False, view: ViewFlags, more: SamplingFlags
    ) -> None:
        heard.extend((word, loud, view, more))

    done = CliRunner().invoke(app, ["hello", "--loud", "--experts", "3", "--top-k", "40", "--stop", "a", "--stop", "b"])
    assert done.exit_code == 0, done.output
    assert heard == ["hello", True, ViewFlags(experts=3), SamplingFlags(top_k=40, stop=["a", "b"])]


def test_sampling_defaults_are_those_of_the_library() -> None:
    ours, theirs = SamplingFlags(), SamplingParams()
    different = {
        field.name for field in dataclasses.fields(ours) if getattr(ours, field.name) != getattr(theirs, field.name)
    }
    # 16 tokens are too few to read.
    assert different == {"max_tokens"}


def test_the_limits_have_the_names_of_the_engine() -> None:
    limits = {field.name for field in dataclasses.fields(ModelFlags) if field.name.startswith("max_")}
    assert limits == {"max_model_len", "max_num_seqs", "max_num_batched_tokens"}
    assert limits <= {field.name for field in dataclasses.fields(EngineConfig)}
