"""Eviction: which experts a cache of C slots keeps, and so how often the next one is there already.

    LRU     keeps what was used last; hit ⟺ fewer than C other experts were used since     (stack distance < C)
    LFU     keeps what was used most since the document's start, of two equals the one used later
    Belady  keeps what is used soonest: the most that any cache can reach (L. A. Belady, IBM Systems Journal 5, 1966)
    window  keeps what is used most within the next m tokens

A cache is asked for all experts of a step at once, then it takes them in. LFU and window always take in what was
asked for; Belady may pass it by, and starts with the C experts that come first, so that nothing beats it.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int32, Int64, Integer

NEVER = np.int32(2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What G caches of one kind are asked for: in step n cache g wants the k distinct ``item_GNk[g, n]`` of I items.

    Steps ``start_S1[s]`` to ``start_S1[s + 1]`` are document s; every document starts with an empty cache.
    """

    item_GNk: Integer[np.ndarray, "G N k"]
    start_S1: Int64[np.ndarray, "S1"]
    num_items: int
    steps_per_token: int = 1

    @property
    def place_N(self) -> Int64[np.ndarray, "N"]:
        """The document of each step."""
        return np.repeat(np.arange(len(self.start_S1) - 1), np.diff(self.start_S1))

    def one_by_one(self) -> "Stream":
        """The same with a step for each item: a cache looks for the second when it has taken in the first."""
        groups, steps, k = self.item_GNk.shape
        flat = self.item_GNk.reshape(groups, steps * k, 1)
        return replace(self, item_GNk=flat, start_S1=self.start_S1 * k, steps_per_token=self.steps_per_token * k)

    def shared(self) -> "Stream":
        """The same for one cache that serves all G: they ask in turn, and items of different g are different."""
        groups, steps, k = self.item_GNk.shape
        own_GNk = self.item_GNk.astype(np.int64) + self.num_items * np.arange(groups)[:, None, None]
        turns = own_GNk.transpose(1, 0, 2).reshape(1, steps * groups, k)
        return Stream(
            item_GNk=turns,
            start_S1=self.start_S1 * groups,
            num_items=self.num_items * groups,
            steps_per_token=self.steps_per_token * groups,
        )


def lru_hits_GSC(stream: Stream, capacities: tuple[int, ...], *, warm_up: int = 0) -> Int64[np.ndarray, "G S C"]:
    """Hits of a least-recently-used cache, by document and capacity; the first ``warm_up`` steps do not count."""
    counted_N = _counted_N(stream, warm_up)
    hits = [_lru_hits_SC(item_Nk, stream, counted_N=counted_N, capacities=capacities) for item_Nk in stream.item_GNk]
    return np.stack(hits)


def _lru_hits_SC(
    item_Nk: Integer[np.ndarray, "N k"],
    stream: Stream,
    *,
    counted_N: Bool[np.ndarray, "N"],
    capacities: tuple[int, ...],
) -> Int64[np.ndarray, "S C"]:
    steps, k = item_Nk.shape
    items, place_N = stream.num_items, stream.place_N
    begin_N = np.repeat(stream.start_S1[:-1], np.diff(stream.start_S1)) * k
    last_NI = _last_use_NI(item_Nk, items)
    last_Nk = np.take_along_axis(last_NI, item_Nk.astype(np.int64), axis=1)
    hits_SC = np.zeros((len(stream.start_S1) - 1, len(capacities)), np.int64)
    for rank in range(k):
        known_N = (last_Nk[:, rank] >= begin_N) & counted_N
        distance_N = (last_NI > last_Nk[:, rank, None]).sum(axis=1)
        for column, capacity in enumerate(capacities):
            hit_N = known_N & (distance_N < capacity)
            hits_SC[:, column] += np.bincount(place_N[hit_N], minlength=len(hits_SC))
    assert steps == len(place_N)
    return hits_SC


def _last_use_NI(item_Nk: Integer[np.ndarray, "N k"], num_items: int) -> Int32[np.ndarray, "N I"]:
    """When each item was used last before a step, in accesses (n · k + rank); −1 for never."""
    steps, k = item_Nk.shape
    stamp_NI = np.full((steps + 1, num_items), -1, np.int32)
    np.put_along_axis(stamp_NI[1:], item_Nk.astype(np.int64), np.arange(steps * k, dtype=np.int32).reshape(-1, k), 1)
    return np.maximum.accumulate(stamp_NI, axis=0)[:-1]


def simulated_hits_GSC(
    stream: Stream, policy: str, capacities: tuple[int, ...], *, warm_up: int = 0, window: int = 0
) -> Int64[np.ndarray, "G S C"]:
    """Hits of a cache that keeps what has the greatest worth: "lfu", "belady", or "window" of ``window`` steps.

    All documents and groups step together, so that the work grows with the longest document.
    """
    need_NGI = _need_NGI(stream)
    worth_NGI = _worth_NGI(stream, need_NGI, policy=policy, window=window)
    length_S = np.diff(stream.start_S1)
    order_S = np.argsort(-length_S, kind="stable")
    begin_S = stream.start_S1[:-1][order_S]
    shape = (len(capacities), len(order_S), need_NGI.shape[1], stream.num_items)
    held_CSGI, hits_CSG = np.zeros(shape, bool), np.zeros(shape[:3], np.int64)
    if policy == "belady":
        first_SGI = _first_use_SGI(stream, need_NGI)[order_S]
        for column, capacity in enumerate(capacities):
            held_CSGI[column] = _greatest(-first_SGI.astype(np.int64), capacity)
    for step in range(int(length_S.max(initial=0))):
        active = int(np.searchsorted(-length_S[order_S], -step, side="left"))
        rows = begin_S[:active] + step
        need_SGI, worth_SGI = need_NGI[rows], worth_NGI[rows].astype(np.int64)
        if step >= warm_up:
            hits_CSG[:, :active] += (held_CSGI[:, :active] & need_SGI).sum(axis=-1)
        if policy != "belady":
            worth_SGI = np.where(need_SGI, np.int64(2**62), worth_SGI)
        for column, capacity in enumerate(capacities):
            there_SGI = held_CSGI[column, :active] | need_SGI
            held_CSGI[column, :active] = _greatest(np.where(there_SGI, worth_SGI, -(2**62)), capacity) & there_SGI
    hits_GSC = np.empty((shape[2], shape[1], shape[0]), np.int64)
    hits_GSC[:, order_S] = hits_CSG.transpose(2, 1, 0)
    return hits_GSC


def static_hits_GSC(
    stream: Stream, kept_CGI: Bool[np.ndarray, "C G I"], *, warm_up: int = 0
) -> Int64[np.ndarray, "G S C"]:
    """Hits of a cache whose content ``kept_CGI`` never changes."""
    counted_N, place_N = _counted_N(stream, warm_up), stream.place_N
    capacities, groups, _ = kept_CGI.shape
    hits_GSC = np.zeros((groups, len(stream.start_S1) - 1, capacities), np.int64)
    for group in range(groups):
        for column in range(capacities):
            hit_N = kept_CGI[column, group][stream.item_GNk[group]].sum(axis=1) * counted_N
            hits_GSC[group, :, column] = np.bincount(place_N, hit_N, minlength=hits_GSC.shape[1])
    return hits_GSC


def asked_S(stream: Stream, *, warm_up: int = 0) -> Int64[np.ndarray, "S"]:
    """How many items each document asks one cache for, ``warm_up`` steps left out."""
    return np.asarray(np.maximum(np.diff(stream.start_S1) - warm_up, 0) * stream.item_GNk.shape[2])


def _counted_N(stream: Stream, warm_up: int) -> Bool[np.ndarray, "N"]:
    return np.asarray(np.arange(len(stream.place_N)) - stream.start_S1[:-1][stream.place_N] >= warm_up)


def _need_NGI(stream: Stream) -> Bool[np.ndarray, "N G I"]:
    groups, steps, _ = stream.item_GNk.shape
    need_NGI = np.zeros((steps, groups, stream.num_items), bool)
    np.put_along_axis(need_NGI, stream.item_GNk.transpose(1, 0, 2).astype(np.int64), True, axis=2)
    return need_NGI


def _worth_NGI(
    stream: Stream, need_NGI: Bool[np.ndarray, "N G I"], *, policy: str, window: int
) -> Int64[np.ndarray, "N G I"]:
    """What it is worth to keep an item after a step; no two items are worth the same, so that C are kept."""
    item_I = np.arange(stream.num_items)
    if policy == "belady":
        next_NGI = _next_use_NGI(stream, need_NGI)
        return np.asarray(-(next_NGI.astype(np.int64) * stream.num_items + item_I))
    place_N, starts = stream.place_N, stream.start_S1
    steps = np.arange(len(place_N))
    summed_NGI = np.zeros((len(place_N) + 1, *need_NGI.shape[1:]), np.int32)
    np.cumsum(need_NGI, axis=0, dtype=np.int32, out=summed_NGI[1:])
    if policy == "lfu":
        used_NGI = summed_NGI[steps + 1] - summed_NGI[starts[:-1][place_N]]
    else:
        used_NGI = summed_NGI[np.minimum(steps + 1 + window, starts[1:][place_N])] - summed_NGI[steps + 1]
    stamp_NGI = np.where(need_NGI, (steps + 1)[:, None, None], 0).astype(np.int32)
    late_NGI = np.maximum.accumulate(stamp_NGI, axis=0)
    return np.asarray((used_NGI.astype(np.int64) * (len(steps) + 2) + late_NGI) * stream.num_items + item_I)


def _next_use_NGI(stream: Stream, need_NGI: Bool[np.ndarray, "N G I"]) -> Int32[np.ndarray, "N G I"]:
    """The step after this one in which an item is wanted again within the document; NEVER if in none."""
    steps = np.arange(len(need_NGI), dtype=np.int32)
    stamp_NGI = np.where(need_NGI, steps[:, None, None], NEVER)
    coming_NGI = np.full_like(stamp_NGI, NEVER)
    coming_NGI[:-1] = np.minimum.accumulate(stamp_NGI[::-1], axis=0)[::-1][1:]
    end_N = stream.start_S1[1:][stream.place_N]
    return np.where(coming_NGI < end_N[:, None, None], coming_NGI, NEVER).astype(np.int32)


def _first_use_SGI(stream: Stream, need_NGI: Bool[np.ndarray, "N G I"]) -> Int64[np.ndarray, "S G I"]:
    items = stream.num_items
    coming_NGI = _next_use_NGI(stream, need_NGI)
    first_SGI = np.full((len(stream.start_S1) - 1, need_NGI.shape[1], items), int(NEVER), np.int64)
    full_S = np.diff(stream.start_S1) > 0
    begin_S = stream.start_S1[:-1][full_S]
    first_SGI[full_S] = np.where(need_NGI[begin_S], begin_S[:, None, None], coming_NGI[begin_S])
    return np.asarray(first_SGI * items + np.arange(items))


def _greatest(worth_XI: Int64[np.ndarray, "*X I"], capacity: int) -> Bool[np.ndarray, "*X I"]:
    """Whether an item is among the ``capacity`` of greatest worth."""
    items = worth_XI.shape[-1]
    if capacity >= items:
        return np.ones(worth_XI.shape, bool)
    least_X1 = np.partition(worth_XI, items - capacity, axis=-1)[..., items - capacity, None]
    return np.asarray(worth_XI >= least_X1)
