"""The tour of ``octavo demo``: texts of several domains, who read them, and how evenly each layer spread its work."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.api.outputs import CompletionDelta
from octavo.api.prompts import PromptType
from octavo.cli.completions import HEADING, new_reading, prompt_ids, texts_of
from octavo.cli.escaping import escape_line
from octavo.cli.flags import EMBEDDED
from octavo.cli.loads import load_heading, load_table
from octavo.cli.models import Opened
from octavo.cli.palette import choose_ink
from octavo.cli.reading import check_layer, shares
from octavo.cli.screen import Screen
from octavo.engine.params import SamplingParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A text to go on from; ``question`` says that it is one, to be put in the form of a chat where there is one."""

    title: str
    what: str
    prompt: str
    question: bool = False


SAMPLES = (
    Sample(title="A novel", what="the novel", prompt="It was a dark and stormy night, and the old captain"),
    Sample(title="Code", what="the code", prompt="def read_lines(path):\n    "),
    Sample(title="A question", what="the question", prompt="What is 7 + 12?", question=True),
    Sample(title="French", what="the French", prompt="Le lendemain matin, le comte se leva et"),
)


class Tour:
    """Runs the samples on one model; ``layer`` None is the middle one."""

    def __init__(self, opened: Opened, *, layer: int | None, max_tokens: int, seed: int) -> None:
        config = opened.llm.config
        self.opened = opened
        self.llm = opened.llm
        self.layer = config.num_layers // 2 if layer is None else layer
        check_layer(self.layer, num_layers=config.num_layers, num_experts=config.num_experts)
        self.params = SamplingParams(temperature=0.7, top_p=0.95, max_tokens=max_tokens, seed=seed, routing=True)
        self.load_LE = np.zeros((config.num_layers, config.num_experts), dtype=np.int64)

    def show(self, screen: Screen) -> None:
        """Writes the samples as they come, then the load of every layer, what was seen, and where to go from there."""
        screen.say(self._greeting(screen))
        texts_ids = [self._ids(sample) for sample in SAMPLES]
        began = time.perf_counter()
        # All of them are read together; the first is shown as it is written, and the others are then there at once.
        streams = [_begun(self.llm.stream({"prompt_token_ids": ids}, self.params)) for ids in texts_ids]
        readings, generated = [], 0
        for sample, ids, deltas in zip(SAMPLES, texts_ids, streams, strict=True):
            screen.write("\n" + screen.paint(sample.title, HEADING) + "\n")
            reading = new_reading(self.llm, screen, ids, layer=self.layer)
            reading.add(texts_of(self.llm, ids), prompt=True)
            for delta in deltas:
                generated += len(delta.token_ids)
                for rows in (delta.prompt_routed_experts, delta.routed_experts):
                    if rows is not None:
                        count_assignments(self.load_LE, rows)
                reading.take(delta)
            reading.close()
            screen.write(shares(reading.ink, reading.count_LE[self.layer]))
            readings.append(reading)
        seconds = time.perf_counter() - began
        screen.write(f"\n{generated} tokens in {seconds:.1f} s, {generated / seconds:.0f} a second.\n\n")
        screen.say(load_heading(self.load_LE, k=self.llm.config.num_experts_per_tok))
        screen.show("", load_table(self.load_LE, screen), "")
        screen.say(self._findings([reading.count_LE[self.layer] for reading in readings]))
        screen.write(self._ways_on())

    def document(self) -> dict[str, Any]:
        """The same as one document for programs."""
        prompts: list[PromptType] = [{"prompt_token_ids": self._ids(sample)} for sample in SAMPLES]
        results = self.llm.generate(prompts, self.params)
        for result in results:
            for rows in (result.prompt_routed_experts, result.outputs[0].routed_experts):
                count_assignments(self.load_LE, rows)
        found = [
            {"title": sample.title, "prompt": sample.prompt, "result": result}
            for sample, result in zip(SAMPLES, results, strict=True)
        ]
        return {"model": self.opened.name, "layer": self.layer, "samples": found, "expert_load": self.load_LE}

    def _greeting(self, screen: Screen) -> str:
        config = self.llm.config
        digits = choose_ink(screen, config.num_experts).digits
        shown = "the number behind each token is" if digits else "the colour of each token is that of"
        return (
            f"{escape_line(self.opened.name)}: {config.num_layers} layers of {config.num_experts} experts, "
            f"of which {config.num_experts_per_tok} read each token.\n"
            f"Below, {shown} the expert that layer {self.layer} chose first."
        )

    def _findings(self, counts: list[np.ndarray]) -> str:
        """What can be read off the texts and the table, in numbers."""
        even = 100 / self.llm.config.num_experts
        busiest = [
            f"expert {int(count_E.argmax())} for {sample.what} ({count_E.max() / max(1, count_E.sum()):.0%})"
            for sample, count_E in zip(SAMPLES, counts, strict=True)
        ]
        share_LE = 100 * self.load_LE / np.maximum(self.load_LE.sum(axis=1, keepdims=True), 1)
        low, high = share_LE.min(), share_LE.max()
        return (
            f"Layer {self.layer} chose first most often: {', '.join(busiest)}.\n"
            f"Load of one expert in any layer: {low:.1f}% to {high:.1f}%; even would be {even:.1f}%."
        )

    def _ways_on(self) -> str:
        named = "" if self.opened.name == EMBEDDED else f" {escape_line(self.opened.name)}"
        other = 0 if self.layer else 1
        return (
            "\nTry next\n"
            f'  octavo generate{named} -p "Once upon a time" --experts {other}\n'
            f"  octavo chat{named} --experts {self.layer}\n"
            f"  octavo inspect{named}\n"
            "  octavo inspect mixtral-8x7b\n"
        )

    def _ids(self, sample: Sample) -> list[int]:
        tokenizer = self.llm.tokenizer
        if sample.question and tokenizer is not None and tokenizer.chat is not None:
            return tokenizer.encode_chat([{"role": "user", "content": sample.prompt}])
        return prompt_ids(self.llm, sample.prompt)


def count_assignments(count_LE: np.ndarray, rows: Any) -> None:
    """Adds the assignments of [T, L, K] rows to the counts of each layer; tokens that nobody read have -1."""
    num_experts = count_LE.shape[1]
    for layer, expert_TK in enumerate(np.moveaxis(np.asarray(rows), 1, 0)):
        count_LE[layer] += np.bincount(expert_TK[expert_TK >= 0].astype(np.int64), minlength=num_experts)


def _begun(deltas: Iterator[CompletionDelta]) -> Iterator[CompletionDelta]:
    """The same deltas, the first of them fetched now: a stream's request is taken in when it is first asked."""
    return itertools.chain([next(deltas)], deltas)
