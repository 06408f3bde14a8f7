"""Strict: a JSON object whose fields are all known and each of its own type; nothing is converted, nothing ignored."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from octavo.server.edge.refusal import shown as shown_text

# One error of a long list says as much as a million.
Ids = Annotated[list[int], Field(fail_fast=True)]


class Strict(BaseModel):
    """An object of a request; a field that it does not have is refused, and the nearest one that it has is named."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            stranger = next((name for name in given if name not in known), None)
            if stranger is not None:
                raise refused(f"{shown(stranger)} is no field that is known here: {nearest(str(stranger), known)}")
        return given


def refused(message: str) -> PydanticCustomError:
    """The error of a validator, with its message as it stands."""
    # The library fills in braces of a template; ours is a value.
    return PydanticCustomError("refused", "{message}", {"message": message})


def nearest(stranger: str, known: Iterable[str]) -> str:
    """What to write instead of ``stranger``."""
    listed = sorted(known)
    found = difflib.get_close_matches(stranger[:64], listed, n=1, cutoff=0.5)
    return f"did you mean {found[0]!r}?" if found else f"want one of {', '.join(listed)}"


def shown(value: object) -> str:
    """A stranger's value as an error may show it: on one printable line, short whatever was sent."""
    if isinstance(value, str):
        return shown_text(value)
    if isinstance(value, bool | None):
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, int) and abs(value) < 10**20:
        return repr(value)
    kinds = {dict: "an object", list: "a list", int: "a very large number"}
    return kinds.get(type(value), "something else")
