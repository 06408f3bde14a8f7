"""A service without an engine, for what only looks at one."""

from octavo.engine.request import Request
from octavo.server.backend.service import ServiceFacts, ServiceLoad, State, StepObserver, Submission
from tests.engine.serving import tiny

CONFIG = tiny().config


class StillService:
    """A service that does nothing and says what it is told to."""

    def __init__(self, load: ServiceLoad, state: State = "ready") -> None:
        self.load, self.state = load, state

    @property
    def facts(self) -> ServiceFacts:
        assert self.state != "loading", "nothing is known before a model is open"
        return ServiceFacts(
            model_name="m", config=CONFIG, dtype="float32", device="cpu", max_model_len=256, max_num_seqs=4,
            max_num_batched_tokens=64, max_logprobs=5, page_size=16, num_pages=99, eos_token_ids=frozenset(),
            load_seconds=0.1,
        )  # fmt: skip

    def check(self, request: Request) -> None: ...

    def submit(self, request: Request, **_: object) -> Submission:
        raise NotImplementedError

    def observe(self, observer: StepObserver) -> None: ...
