"""Octavo as a model of lm-eval, in its own process: ``python -m octavo.lm_eval run --model octavo --tasks ...``.

lm-eval finds no models by itself, so this module's command line is lm-eval's with ``octavo`` among its models; in
Python ``import octavo.lm_eval`` is enough. It scores and cuts texts as lm-eval's clients over HTTP do, so that a model
gets the same answers here as behind ``octavo serve``. Nothing else of the package imports it, or lm-eval.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lm_eval import utils
from lm_eval.__main__ import cli_evaluate
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from tqdm import tqdm

from octavo.api.llm import LLM
from octavo.engine.params import SamplingParams
from octavo.errors import ConfigError
from octavo.tokenizer import Tokenizer

Pair = tuple[str, str] | None
Scored = tuple[Pair, list[int], list[int]]
# As many requests are given to the engine at once, which batches them as they fit.
AT_ONCE = 64


class Conversation(str):
    """Messages as the text that lm-eval hands around, so that control tokens are still apart when it comes back."""

    __slots__ = ()


@register_model("octavo")
class OctavoLM(TemplateLM):  # type: ignore[misc]  # lm-eval is not there where types are checked
    """A model, named by ``pretrained`` as ``octavo.LLM`` names it.

    ``add_bos_token`` False leaves out the token that begins a text, as lm-eval's client local-completions does.
    ``max_gen_toks`` is for tasks that name no length of their own. Other arguments are those of ``LLM``.
    """

    def __init__(
        self,
        pretrained: str | None = None,
        *,
        add_bos_token: bool = True,
        max_gen_toks: int = 256,
        batch_size: int | str = AT_ONCE,
        max_batch_size: int | None = None,
        device: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        # cuda:0 is what lm-eval says where its caller says nothing.
        chosen = "auto" if device in (None, "cuda:0") else device
        self.llm = LLM(pretrained, device=chosen, max_logprobs=-1, **settings)
        if self.llm.tokenizer is None:
            raise ConfigError(
                f"{pretrained} has no tokenizer, and lm-eval has only texts: name one by tokenizer=FOLDER"
            )
        self.spelling: Tokenizer = self.llm.tokenizer
        self.name = pretrained or "octavo-mini"
        self.add_bos_token = add_bos_token
        self.max_gen_toks = int(max_gen_toks)
        # The engine batches as it can; lm-eval's 1 is only what it says where its caller says nothing.
        self.at_once = AT_ONCE if str(batch_size).startswith("auto") else max(int(batch_size), AT_ONCE)
        # One token is left to generate, as a server always does.
        self.max_length = self.llm.max_model_len - 1

    @property
    def tokenizer_name(self) -> str:
        """What requests are remembered by."""
        return f"octavo:{self.name}"

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text."""
        if self.spelling.eos_id is None:
            raise ConfigError(f"{self.name} has no token that ends a text, which this task needs: use another")
        return self.spelling.eos_id

    @property
    def prefix_token_id(self) -> int:
        """The token that stands before a text that is scored from its first token on."""
        return self.eot_token_id if self.spelling.bos_id is None else self.spelling.bos_id

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """The ids of a text, or of a conversation."""
        if isinstance(string, Conversation):
            spoken = json.loads(string)
            return self.spelling.encode_chat(spoken["messages"], add_generation_prompt=spoken["ask"])
        wants_bos = self.add_bos_token if add_special_tokens is None else add_special_tokens
        return self.spelling.encode(string, add_bos=wants_bos)

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Messages as a text that ``tok_encode`` knows again."""
        return Conversation(json.dumps({"messages": chat_history, "ask": add_generation_prompt}))

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """A name of the chat format: it is in the model's folder, and no task can bring another."""
        if chat_template and self.spelling.chat is None:
            raise ConfigError(f"{self.name} has no chat format: leave out --apply_chat_template")
        return type(self.spelling.chat).__name__ if chat_template else None

    def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        if isinstance(context, Conversation):
            return self.tok_encode(context), self.tok_encode(continuation, add_special_tokens=False)
        pair: tuple[list[int], list[int]] = super()._encode_pair(context, continuation)
        return pair

    def _loglikelihood_tokens(
        self, requests: list[Scored], disable_tqdm: bool = False, **_: Any
    ) -> list[tuple[float, bool]]:
        """For each context and continuation the continuation's logprob, and whether greedy decoding would write it."""
        params = SamplingParams(max_tokens=0, prompt_logprobs=1, temperature=0)
        prompts = [{"prompt_token_ids": (context + rest)[-self.max_length :]} for _, context, rest in requests]
        found = []
        answers = self._generate(prompts, [params] * len(prompts), disable_tqdm)
        for (pair, _context, rest), answer in zip(requests, answers, strict=True):
            places = list(zip(answer.prompt_token_ids, answer.prompt_logprobs or (), strict=True))[-len(rest) :]
            told = [(named[token].logprob, max(each.logprob for each in named.values())) for token, named in places]
            score = (sum(logprob for logprob, _ in told), all(logprob == best for logprob, best in told))
            if pair is not None:
                self.cache_hook.add_partial("loglikelihood", pair, score)
            found.append(score)
        return found

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """Each text's logprob, in windows where it is longer than the model."""
        found = []
        for (text,) in [request.args for request in requests]:
            windows = utils.get_rolling_token_windows(
                token_list=self.tok_encode(text, add_special_tokens=False),
                prefix_token=self.prefix_token_id,
                max_seq_len=self.max_length - 1,
                context_len=1,
            )
            pieces: list[Scored] = [(None, *utils.make_disjoint_window(window)) for window in windows]
            found.append(sum(score for score, _ in self._loglikelihood_tokens(pieces, disable_tqdm=True)))
            self.cache_hook.add_partial("loglikelihood_rolling", (text,), found[-1])
        return found

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Each context's continuation up to one of its stop strings."""
        prompts, params = [], []
        for context, wanted in [request.args for request in requests]:
            asked = dict(wanted)
            length = int(asked.pop("max_tokens", asked.pop("max_gen_toks", self.max_gen_toks)))
            # A context that is too long loses its beginning.
            ids = self.tok_encode(context)[-max(self.max_length - length, 1) :]
            prompts.append({"prompt_token_ids": ids})
            params.append(sampling_of(asked, max_tokens=length))
        answers = self._generate(prompts, params, disable_tqdm)
        texts = [answer.outputs[0].text for answer in answers]
        for request, text in zip(requests, texts, strict=True):
            self.cache_hook.add_partial("generate_until", request.args, text)
        return texts

    def _generate(self, prompts: list[Any], params: list[SamplingParams], quiet: bool) -> Iterator[Any]:
        """Answers in order, the longest prompts first in the engine so that an estimate of the time is too long."""
        order = sorted(range(len(prompts)), key=lambda place: -len(prompts[place]["prompt_token_ids"]))
        answers: list[Any] = [None] * len(prompts)
        with tqdm(total=len(prompts), desc="octavo", disable=quiet) as bar:
            for some in _chunks(order, self.at_once):
                for place, answer in zip(
                    some,
                    self.llm.generate([prompts[place] for place in some], [params[place] for place in some]),
                    strict=True,
                ):
                    answers[place] = answer
                bar.update(len(some))
        return iter(answers)


def sampling_of(asked: dict[str, Any], *, max_tokens: int) -> SamplingParams:
    """What a task's ``generation_kwargs`` ask for, the length aside; greedy where they name no temperature."""
    until = asked.pop("until", None)
    stop = [until] if isinstance(until, str) else until
    asked.pop("do_sample", None)
    temperature = asked.pop("temperature", 0)
    return SamplingParams(max_tokens=max_tokens, temperature=temperature, stop=stop or None, **asked)


def _chunks(order: Sequence[int], size: int) -> Iterable[Sequence[int]]:
    return (order[start : start + size] for start in range(0, len(order), size))


if __name__ == "__main__":
    cli_evaluate()
