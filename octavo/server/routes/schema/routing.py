"""What the routes of routing answer: statistics of live traffic, and how one finished request was routed."""

from typing import Literal

from octavo.server.routes.schema.replies import Experts, Numbers, Reply, RoutedPrompt


class LayerLoadReply(Reply):
    """One layer's load; measures are null, and shares 0, where no token was read."""

    layer: int
    tokens: int
    expert_share: list[float]
    entropy_bits: float | None
    max_violation: float | None
    cv: float | None


class Loads(Reply):
    """The load of every layer since the server began."""

    layers: list[LayerLoadReply]


class WindowLoads(Loads):
    """The load of every layer in the last ``seconds``."""

    seconds: int


class RoutingStatsReply(Reply):
    """How evenly the experts are used."""

    since_start: Loads
    window: WindowLoads


class RoutedChoice(RoutedPrompt):
    """How one choice was routed; with several prompts, how its prompt was."""

    index: int
    token_ids: list[int] | None = None
    routed_experts: Experts | None = None
    routed_weights: Numbers | None = None
    router_logits: Numbers | None = None


class RoutedRequest(RoutedPrompt):
    """How a finished request was routed, under the names that its answer had."""

    id: str
    object: Literal["routing"]
    choices: list[RoutedChoice]
