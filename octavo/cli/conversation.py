"""A conversation: what was said so far, the answers as they come, and the commands that begin with a slash."""

import contextlib
import readline
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from octavo.api.llm import LLM
from octavo.api.outputs import CompletionDelta, RequestOutput
from octavo.cli.completions import Shown, write_stream
from octavo.cli.exits import complain
from octavo.cli.reading import check_layer
from octavo.cli.screen import Screen
from octavo.engine.params import SamplingParams
from octavo.errors import OctavoError, RequestError

ASK = ">>> "
ASK_ON = "... "
COMMANDS = "/experts LAYER or off, /reset, /exit"


class Conversation:
    """Says messages and hears answers; ``messages`` is all that the model is told."""

    def __init__(
        self, llm: LLM, params: SamplingParams, *, screen: Screen, system: str | None, layer: int | None
    ) -> None:
        if llm.tokenizer is None or llm.tokenizer.chat is None:
            raise RequestError("this model's folder has no chat template: complete a text with octavo generate instead")
        if params.n != 1:
            raise RequestError(f"--n is {params.n}: a conversation has one answer, so leave it out")
        self.llm = llm
        self.tokenizer = llm.tokenizer
        self.params = params
        self.screen = screen
        self.layer = layer
        self.system = [{"role": "system", "content": system}] if system is not None else []
        self.messages: list[dict[str, str]] = list(self.system)
        self.answers: list[RequestOutput] = []

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
        ids = self.tokenizer.encode_chat(asked)
        if quiet:
            text = self._hear(ids)
        else:
            params = replace(self.params, routing=self.layer is not None)
            shown = Shown(experts=self.layer, prompt=False)
            with _listening(self.llm.stream({"prompt_token_ids": ids}, params)) as deltas:
                text = write_stream(self.llm, ids, deltas, screen=self.screen, shown=shown)
        self.messages = [*asked, {"role": "assistant", "content": text.strip()}]

    def _hear(self, ids: Sequence[int]) -> str:
        """The answer with everything that is known of it."""
        sparse = self.llm.config.is_sparse
        params = replace(self.params, routing=sparse, logprobs=0)
        answer = self.llm.generate({"prompt_token_ids": ids}, params)[0]
        self.answers.append(answer)
        return answer.outputs[0].text

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
        check_layer(int(word), num_layers=self.llm.config.num_layers, num_experts=self.llm.config.num_experts)
        self.layer = int(word)


@contextlib.contextmanager
def _listening(deltas: Iterator[CompletionDelta]) -> Iterator[Iterator[CompletionDelta]]:
    """The deltas up to ctrl-C, which in a terminal only ends them; pressed twice it ends the program."""
    asked_to_stop = False

    def stop(_: int, __: object) -> None:
        nonlocal asked_to_stop
        # Without a terminal there is no next question to go on with.
        if asked_to_stop or not sys.stdin.isatty():
            raise KeyboardInterrupt
        asked_to_stop = True

    def until_stopped() -> Iterator[CompletionDelta]:
        for delta in deltas:
            yield delta
            if asked_to_stop:
                return

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield until_stopped()
    finally:
        signal.signal(signal.SIGINT, before)
