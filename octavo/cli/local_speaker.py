"""A model in this process as one that answers in a conversation."""

from dataclasses import replace
from typing import Any

from octavo.api.llm import LLM
from octavo.cli.completions import Shown, write_stream
from octavo.cli.conversation import Messages
from octavo.cli.listening import listening
from octavo.cli.reading import check_layer
from octavo.cli.screen import Screen
from octavo.engine.params import SamplingParams
from octavo.errors import RequestError


class LocalSpeaker:
    """A model in this process."""

    def __init__(self, llm: LLM, params: SamplingParams) -> None:
        if llm.tokenizer is None or llm.tokenizer.chat is None:
            raise RequestError("this model's folder has no chat template: complete a text with octavo generate instead")
        self.llm = llm
        self.tokenizer = llm.tokenizer
        self.params = params

    def check_layer(self, layer: int) -> None:
        """Raises RequestError unless the model has experts in this layer."""
        check_layer(layer, num_layers=self.llm.config.num_layers, num_experts=self.llm.config.num_experts)

    def speak(self, messages: Messages, *, screen: Screen, layer: int | None) -> str:
        """Writes an answer as it comes."""
        ids = self.tokenizer.encode_chat(messages)
        params = replace(self.params, routing=layer is not None)
        shown = Shown(experts=layer, prompt=False)
        with listening(self.llm.stream({"prompt_token_ids": ids}, params)) as deltas:
            return write_stream(self.llm, ids, deltas, screen=screen, shown=shown)

    def answer(self, messages: Messages) -> tuple[str, Any]:
        """An answer with its routing and logprobs."""
        params = replace(self.params, routing=self.llm.config.is_sparse, logprobs=0)
        found = self.llm.generate({"prompt_token_ids": self.tokenizer.encode_chat(messages)}, params)[0]
        return found.outputs[0].text, found
