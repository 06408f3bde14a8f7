"""Cache: how often an expert that is wanted lies in fast memory already, for a cache of C experts and a policy.

    hit rate = experts found in the cache / experts asked for

    lru, lfu, belady   see ``eviction``; each document is one request and starts with an empty cache
    static             the C experts most often used in the other half of the documents, never changed
    scope              "layer": C slots in each layer; "global": C · L slots that all L layers share
    check              "batch": a layer asks for its k experts at once; "sequential": for one after the other

For even routers the batch check hits C/E whatever the policy (but Belady's, which knows what will come).
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from octavo.analysis.codes import RouteCoding
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.eviction import Stream, asked_S, lru_hits_GSC, simulated_hits_GSC, static_hits_GSC
from octavo.analysis.statistics.halving import Halving
from octavo.analysis.statistics.intervals import Intervals, generator, ratio
from octavo.analysis.statistics.ratios import Ratios, group_of
from octavo.analysis.statistics.rows import Row
from octavo.analysis.statistics.streams import streams
from octavo.errors import TraceError

POLICIES = ("lru", "lfu", "belady", "static")


def cache(
    source: TraceSource,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    policies: Sequence[str] = POLICIES,
    capacities: Sequence[int] = (2, 3, 4, 6),
    scope: str = "layer",
    check: str = "batch",
    warm_up: int = 0,
    max_tokens: int | None = None,
    seed: int = 0,
    by: str = "domain",
) -> list[Row]:
    """The hit rate by domain, layer (None where the cache is global), policy and capacity (slots a layer).

    The first ``warm_up`` tokens of a document fill the cache and do not count. ``max_tokens`` leaves the documents of a
    domain that begin after so many tokens out: a global cache of many layers takes long. The shuffle null plays one
    random order of each document's tokens ("static" does not see the order), the uniform null even routers. Raises
    TraceError for a cache smaller than k, and for a policy, scope or check that is not there.
    """
    selection, coding = selection or Selection(), source.manifest.coding
    layers = selection.layers_of(source.manifest)
    _expect(policies, capacities, coding, scope=scope, check=check)
    game = _Game(
        slots=tuple(each * (1 if scope == "layer" else len(layers)) for each in capacities),
        shared=scope == "global",
        one_by_one=check == "sequential",
        warm_up=warm_up,
    )
    popular = _popular(source, selection, (len(layers), coding.num_experts), by) if "static" in policies else {}
    found: dict[str, Ratios] = {policy: Ratios() for policy in policies}
    mixed: dict[str, Ratios] = {policy: Ratios() for policy in policies if policy != "static"}
    halving = Halving()
    for chunk, stream in streams(source, selection, max_tokens, shared=game.shared):
        group, played = group_of(chunk.domain, by), game.stream(stream)
        asked_SX, half_S = game.asked_SX(played), halving.half_S(chunk)
        if mixed:
            chance = game.stream(_shuffled(stream, generator(seed, f"{chunk.domain} {chunk.document_S[0]}")))
        for policy in policies:
            if policy == "static":
                hits_SX, known_S = game.static_SX(played, half_S, popular[group])
                found[policy].add(group, hits_SX, asked_SX * known_S[:, None])
                continue
            found[policy].add(group, game.hits_SX(played, policy), asked_SX)
            mixed[policy].add(group, game.hits_SX(chance, policy), asked_SX)
    rows = []
    for policy, counted in found.items():
        places = layers if scope == "layer" else (None,)
        keys = [
            {"layer": layer, "policy": policy, "capacity": capacity, "scope": scope, "check": check}
            for layer in places
            for capacity in capacities
        ]
        even = [_even(coding, policy, capacity, scope, check) for capacity in capacities] * len(places)
        for domain in counted.sums.parts:
            chances: dict[str, Sequence[float | None]] = {"null_uniform": even}
            if policy in mixed:
                chances["null_shuffle"] = ratio(*mixed[policy].of(domain)).tolist()
            rows += counted.rows(domain, keys, intervals=intervals, nulls=chances)
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Game:
    """How a stream of layers is put to caches."""

    slots: tuple[int, ...]
    shared: bool
    one_by_one: bool
    warm_up: int

    def stream(self, stream: Stream) -> Stream:
        """What the caches are asked for, in their order."""
        stream = stream.shared() if self.shared else stream
        return stream.one_by_one() if self.one_by_one else stream

    def hits_SX(self, played: Stream, policy: str) -> Int64[np.ndarray, "S X"]:
        """Hits by document, group and capacity."""
        if policy == "lru":
            return _columns(lru_hits_GSC(played, self.slots, warm_up=self._steps(played)))
        return _columns(simulated_hits_GSC(played, policy, self.slots, warm_up=self._steps(played)))

    def static_SX(
        self, played: Stream, half_S: Int64[np.ndarray, "S"], popular_2LE: Int64[np.ndarray, "2 L E"]
    ) -> tuple[Int64[np.ndarray, "S X"], Bool[np.ndarray, "S"]]:
        """Hits of the experts that the other half of the documents uses most, and whether it uses any."""
        groups, odd_S = len(played.item_GNk), half_S == 1
        halves = []
        for used_LE in popular_2LE:
            used_GI = used_LE.reshape(groups, -1)
            rank_GI = np.argsort(np.argsort(-used_GI, axis=1, kind="stable"), axis=1)
            kept_CGI = rank_GI < np.array(self.slots)[:, None, None]
            halves.append(_columns(static_hits_GSC(played, kept_CGI, warm_up=self._steps(played))))
        known_S = popular_2LE.sum(axis=(1, 2))[np.where(odd_S, 0, 1)] > 0
        return np.where(odd_S[:, None], halves[0], halves[1]) * known_S[:, None], known_S

    def asked_SX(self, played: Stream) -> Int64[np.ndarray, "S X"]:
        """What hits are a share of."""
        asked = asked_S(played, warm_up=self._steps(played))
        return np.repeat(asked[:, None], len(played.item_GNk) * len(self.slots), axis=1)

    def _steps(self, played: Stream) -> int:
        return self.warm_up * played.steps_per_token


def _columns(hits_GSC: Int64[np.ndarray, "G S C"]) -> Int64[np.ndarray, "S X"]:
    return hits_GSC.transpose(1, 0, 2).reshape(hits_GSC.shape[1], -1)


def _shuffled(stream: Stream, rng: np.random.Generator) -> Stream:
    """The tokens of each document in a random order."""
    chance_N = np.asarray(rng.random(len(stream.place_N)))
    order_N = np.lexsort((chance_N, stream.place_N))
    return Stream(item_GNk=stream.item_GNk[:, order_N], start_S1=stream.start_S1, num_items=stream.num_items)


def _popular(
    source: TraceSource, selection: Selection, shape: tuple[int, int], by: str
) -> dict[str, Int64[np.ndarray, "2 L E"]]:
    """How often each expert is used, in one half of the documents and in the other."""
    found: dict[str, Int64[np.ndarray, "2 L E"]] = {}
    halving = Halving()
    for chunk in selection.chunks(source):
        keep_T = selection.token_T(chunk)
        odd_T = halving.half_T(chunk) == 1
        used_2LE = found.setdefault(group_of(chunk.domain, by), np.zeros((2, *shape), np.int64))
        for half, half_T in enumerate((keep_T & ~odd_T, keep_T & odd_T)):
            for layer, expert_TK in enumerate(chunk.expert_LTK):
                used_2LE[half, layer] += np.bincount(expert_TK[half_T].reshape(-1), minlength=shape[1])
    return found


@functools.cache
def _even(coding: RouteCoding, policy: str, capacity: int, scope: str, check: str) -> float | None:
    """The hit rate of even routers: C/E in closed form, else played for 16,000 tokens with a fixed seed."""
    if scope == "global":
        return None
    if policy == "static" or (check == "batch" and policy != "belady"):
        return min(1.0, capacity / coding.num_experts)
    chance_GNE = np.random.default_rng(0).random((16, 1000, coding.num_experts))
    item_GNk = np.argsort(chance_GNE, axis=-1)[..., : coding.k]
    game = _Game(slots=(capacity,), shared=False, one_by_one=check == "sequential", warm_up=100)
    played = game.stream(Stream(item_GNk=item_GNk, start_S1=np.array([0, 1000]), num_items=coding.num_experts))
    return float(game.hits_SX(played, policy).sum() / game.asked_SX(played).sum())


def _expect(policies: Sequence[str], capacities: Sequence[int], coding: RouteCoding, *, scope: str, check: str) -> None:
    for name, found, known in (("scope", scope, ("layer", "global")), ("check", check, ("batch", "sequential"))):
        if found not in known:
            raise TraceError(f"no {name} {found!r} of a cache: want one of {', '.join(known)}")
    if strange := set(policies) - set(POLICIES):
        raise TraceError(f"no policy {min(strange)!r} of a cache: want some of {', '.join(POLICIES)}")
    for capacity in capacities:
        if not coding.k <= capacity <= coding.num_experts:
            raise TraceError(f"a cache of {capacity} experts: want from {coding.k} (a token's) to {coding.num_experts}")
