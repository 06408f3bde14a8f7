"""A model on a server as one that answers in a conversation; coloured where the server tells of its routing."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from octavo.cli.conversation import Messages
from octavo.cli.escaping import escape
from octavo.cli.flags import EMBEDDED, ModelFlags, SamplingFlags
from octavo.cli.listening import listening
from octavo.cli.palette import choose_ink
from octavo.cli.reading import Reading, check_layer, legend
from octavo.cli.screen import Screen
from octavo.client.endpoint import ServerError
from octavo.client.remote import Remote, RoutingShape
from octavo.errors import RequestError

CHAT = "/v1/chat/completions"


class RemoteSpeaker:
    """Asks one model of a server; ``model`` None is the server's first."""

    def __init__(self, remote: Remote, flags: SamplingFlags, *, model: str | None) -> None:
        self.remote = remote
        self.name = remote.choose_model(model)
        self.settings = settings_of(flags) | {"model": self.name}
        self.shape = remote.routing()

    def check_layer(self, layer: int) -> None:
        """Raises RequestError unless the server tells which experts of this layer read a token."""
        shape = self._shape()
        check_layer(layer, num_layers=shape.num_layers, num_experts=shape.num_experts)

    def speak(self, messages: Messages, *, screen: Screen, layer: int | None) -> str:
        """Writes an answer as it comes."""
        body = self.settings | {"messages": list(messages)} | ({"routing": True} if layer is not None else {})
        chunks = self.remote.stream(CHAT, body)
        with contextlib.closing(chunks), listening(chunks) as heard:
            choices = (choice for chunk in heard for choice in chunk.get("choices") or ())
            return self._colour(choices, screen, layer) if layer is not None else _write(choices, screen)

    def answer(self, messages: Messages) -> tuple[str, Any]:
        """An answer, and the server's own document of it."""
        routing = {"routing": True} if self.shape is not None else {}
        found = self.remote.post(CHAT, self.settings | {"messages": list(messages)} | routing)
        try:
            return found["choices"][0]["message"]["content"] or "", found
        except (KeyError, IndexError, TypeError):
            raise ServerError(f"{self.remote.endpoint.url} answers without a message: check the address") from None

    def _colour(self, choices: Iterator[dict[str, Any]], screen: Screen, layer: int) -> str:
        shape = self._shape()
        # Tokens come with their texts, so that none has to be decoded here.
        ink = choose_ink(screen, shape.num_experts)
        reading = Reading(ink, layer=layer, num_layers=shape.num_layers, decoder=None)
        text = ""
        for choice in choices:
            text += _content(choice)
            reading.add(choice.get("tokens") or ())
            if choice.get("routed_experts"):
                reading.read(np.asarray(choice["routed_experts"], dtype=np.int16))
        reading.close()
        screen.write("\n" + legend(ink, reading.count_LE[layer], layer=layer))
        return text

    def _shape(self) -> RoutingShape:
        if self.shape is None:
            raise RequestError(f"{self.remote.endpoint.url} tells nothing of its routing: leave --experts out")
        return self.shape


def settings_of(flags: SamplingFlags) -> dict[str, Any]:
    """What the flags ask of a server: those that were changed, since not every server knows them all."""
    plain = SamplingFlags()
    changed = {name: value for name, value in dataclasses.asdict(flags).items() if value != getattr(plain, name)}
    return {"max_tokens": flags.max_tokens, "temperature": flags.temperature} | changed


def named_model(model: str, loading: ModelFlags) -> str | None:
    """The server's model that a command line names, if any; raises RequestError for flags that load a model here."""
    refuse_loading(loading)
    return None if model in (EMBEDDED, os.environ.get("OCTAVO_MODEL")) else model


def refuse_loading(loading: ModelFlags) -> None:
    """Raises RequestError for a flag that loads a model here, where a server is asked."""
    for field in dataclasses.fields(loading):
        if getattr(loading, field.name) != field.default:
            flag = "--" + field.name.replace("_", "-")
            raise RequestError(f"{flag} loads a model here, but --url asks a server: give one or the other")


def _write(choices: Iterator[dict[str, Any]], screen: Screen) -> str:
    text = ""
    for choice in choices:
        piece = _content(choice)
        # An answer stands by itself: the space that sets it off from the question is not shown.
        screen.write(escape(piece if text.strip() else piece.lstrip()))
        text += piece
    screen.write("\n")
    return text


def _content(choice: dict[str, Any]) -> str:
    return (choice.get("delta") or {}).get("content") or ""
