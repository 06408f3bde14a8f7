"""A conversation: what was said so far, the answers as they come, and the commands that begin with a slash."""

import readline
from collections.abc import Sequence
from typing import Any, Protocol

from octavo.cli.exits import complain
from octavo.cli.screen import Screen
from octavo.errors import OctavoError, RequestError

ASK = ">>> "
ASK_ON = "... "
COMMANDS = "/experts LAYER or off, /reset, /exit"

Messages = Sequence[dict[str, str]]


class Speaker(Protocol):
    """One that answers; every answer is to all that was said so far."""

    def check_layer(self, layer: int) -> None:
        """Raises RequestError unless answers can be coloured by the experts of this layer."""

    def speak(self, messages: Messages, *, screen: Screen, layer: int | None) -> str:
        """Writes an answer as it comes, up to ctrl-C, and returns its text; ``layer`` colours it."""

    def answer(self, messages: Messages) -> tuple[str, Any]:
        """An answer, and everything that is known of it; nothing is written."""


class Conversation:
    """Says messages and hears answers; ``messages`` is all that the speaker is told."""

    def __init__(self, speaker: Speaker, *, screen: Screen, system: str | None, layer: int | None) -> None:
        self.speaker = speaker
        self.screen = screen
        self.layer = layer
        self.system = [{"role": "system", "content": system}] if system is not None else []
        self.messages: list[dict[str, str]] = list(self.system)
        self.answers: list[Any] = []

    def talk(self) -> None:
        """Asks and answers until /exit or the end of the input."""
        readline.set_history_length(1000)
        while True:
            try:
                line = self._ask()
            except KeyboardInterrupt:
                self.screen.write(f"\n{COMMANDS}; ctrl-D ends\n")
                continue
            except EOFError:
                self.screen.write("\n")
                return
            if line in ("/exit", "/quit"):
                return
            try:
                self._act(line)
            except OctavoError as error:
                complain(str(error))

    def say(self, message: str, *, quiet: bool = False) -> None:
        """Says a message and writes the answer as it comes; a message that cannot be answered is not kept.

        Ctrl-C in the terminal ends the answer; what was said of it counts.
        """
        asked = [*self.messages, {"role": "user", "content": message}]
        if quiet:
            text, answer = self.speaker.answer(asked)
            self.answers.append(answer)
        else:
            text = self.speaker.speak(asked, screen=self.screen, layer=self.layer)
        self.messages = [*asked, {"role": "assistant", "content": text.strip()}]

    def _ask(self) -> str:
        """One message; a backslash at the end of a line goes on in the next."""
        line = input(ASK)
        while line.endswith("\\"):
            line = line[:-1] + "\n" + input(ASK_ON)
        return line.strip()

    def _act(self, line: str) -> None:
        command, _, rest = line.partition(" ")
        if not line:
            return
        if not line.startswith("/"):
            self.say(line)
        elif command == "/reset":
            self.messages = list(self.system)
            self.screen.write("Forgotten: a new conversation begins.\n")
        elif command == "/help":
            self.screen.write(f"{COMMANDS}; a backslash at the end of a line goes on in the next\n")
        elif command == "/experts":
            self._choose_layer(rest.strip())
        else:
            raise RequestError(f"{command} is no command: want {COMMANDS}, or /help")

    def _choose_layer(self, word: str) -> None:
        if word == "off":
            self.layer = None
            return
        if not word.isdecimal():
            raise RequestError(f"/experts is {word or 'empty'}: want the number of a layer, or off")
        self.speaker.check_layer(int(word))
        self.layer = int(word)
