"""Placement: what a trace's tokens would cost on several GPUs, with the experts of each layer spread over them.

    imbalance   max_g load_g / mean_g load_g                     1 at best: the busiest GPU is what all wait for
    fan-out     mean of Σ_g (1 − Π_(e in S) (1 − held(e, g)))    GPUs that a token's K experts stand on
    hops        mean of 1 − Σ_g held(e, g) held'(e', g)          first choices in a layer and the next on two GPUs

held(e, g) is the part of expert e's copies that stand on GPU g, since tokens are spread evenly over copies. A plan is
made once from all that counts (each domain may weigh on it as it does in the trace), and then looked at domain by
domain.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.accumulators.counting import ranks_of_codes
from octavo.analysis.codes import RouteCoding
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.counted import Counted, Group, bare, counted
from octavo.analysis.statistics.intervals import Intervals, ratio
from octavo.analysis.statistics.packing import Cluster, balanced, contiguous, held_EG
from octavo.analysis.statistics.rows import Row, row
from octavo.errors import TraceError

PLANS = ("contiguous", "balanced")


def placement(
    source: TraceSource | Accumulators,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    gpus: int = 2,
    slots: int | None = None,
    nodes: int = 1,
    groups: int = 1,
    plan: Sequence[str] = PLANS,
    by: str = "domain",
) -> list[Row]:
    """Returns a row for each plan, domain, layer and measure; n is the tokens.

    ``slots`` is how many experts, copies among them, all GPUs hold in a layer; None is one for each expert. Fan-out and
    hops want routes with codes, hops the layer after in the trace too. There are no intervals: a plan is made for these
    very tokens. Raises TraceError for a cluster or plan that cannot be.
    """
    selection, coding = selection or Selection(), source.manifest.coding
    del intervals
    cluster = Cluster(gpus=gpus, slots=coding.num_experts if slots is None else slots, nodes=nodes, groups=groups)
    cluster.expect_room(coding.num_experts)
    if wrong := [each for each in plan if each not in PLANS]:
        raise TraceError(f"no plan {wrong[0]!r}: want {' or '.join(PLANS)}")
    wanted = bare(layer_pairs=coding.fits_a_byte)
    found = counted(source, selection=selection, intervals=None, contents=wanted, by_document={})
    (everything,) = found.groups("all")
    load_LE = found.counts.table("rank", everything.domains).sum(axis=1)
    rows = []
    for name in plan:
        slot_Ls = [
            balanced(load_E, cluster) if name == "balanced" else contiguous(len(load_E), cluster) for load_E in load_LE
        ]
        held_LEG = np.stack([held_EG(slot_s, coding.num_experts, gpus) for slot_s in slot_Ls])
        for group in found.groups(by):
            rows += _rows(found, group, held_LEG, {"plan": name, "gpus": gpus, "slots": cluster.slots})
    return rows


def gpu_loads(load_E: Int64[np.ndarray, "E"], held: Float64[np.ndarray, "E G"]) -> Float64[np.ndarray, "G"]:
    """The assignments that each GPU reads."""
    return np.asarray(load_E @ held)


def fan_out_C(coding: RouteCoding, held: Float64[np.ndarray, "E G"]) -> Float64[np.ndarray, "C"]:
    """The GPUs that a route reaches, on the mean over copies."""
    away_CG = np.prod(1 - held[coding.expert_CK().astype(np.int64)], axis=1)
    return np.asarray((1 - away_CG).sum(axis=1))


def hop_EE(held: Float64[np.ndarray, "E G"], held_next: Float64[np.ndarray, "E G"]) -> Float64[np.ndarray, "E E"]:
    """The chance that an expert and one of the next layer stand on two GPUs."""
    return np.asarray(1 - held @ held_next.T)


def _rows(found: Counted, group: Group, held_LEG: Float64[np.ndarray, "L E G"], keys: dict[str, Any]) -> list[Row]:
    counts, coding = found.counts, found.coding
    tokens = int(counts.table("tokens", group.domains))
    rows = []
    for place, layer in found.places():
        measured = {"imbalance": _imbalance(counts.table("rank", group.domains)[place].sum(axis=0), held_LEG[place])}
        if counts.has("code"):
            measured["fan-out"] = _fan_out(counts.table("code", group.domains)[place], coding, held_LEG[place])
        if counts.has("layer_pair") and place + 1 < len(counts.layers):
            measured["hops"] = _hops(counts.table("layer_pair", group.domains)[place], coding, held_LEG[place:])
        rows += [
            row(
                **keys,
                domain=group.name,
                layer=layer,
                measure=measure,
                value=value,
                null_uniform=even,
                null_marginal=marginal,
                n=tokens,
            )
            for measure, (value, even, marginal) in measured.items()
        ]
    return rows


Measured = tuple[float, float | None, float | None]


def _imbalance(load_E: Int64[np.ndarray, "E"], held: Float64[np.ndarray, "E G"]) -> Measured:
    """The busiest GPU over the mean, and what even routers would give on this plan."""
    value_2 = [ratio(load_G.max(), load_G.mean()) for load_G in (gpu_loads(load_E, held), held.sum(axis=0))]
    return float(value_2[0]), float(value_2[1]), None


def _fan_out(code_C: Int64[np.ndarray, "C"], coding: RouteCoding, held: Float64[np.ndarray, "E G"]) -> Measured:
    reach_C, legal_C = fan_out_C(coding, held), coding.legal_C()
    return float(ratio(reach_C @ code_C, code_C.sum())), float(reach_C[legal_C].mean()), None


def _hops(pair_CC: Int64[np.ndarray, "C C"], coding: RouteCoding, held_lEG: Float64[np.ndarray, "l E G"]) -> Measured:
    """First choices that change the GPU; independent layers would change it as the marginals say."""
    apart_EE = hop_EE(held_lEG[0], held_lEG[1])
    after_CE = ranks_of_codes(pair_CC, coding)[:, 0]
    first_EE = ranks_of_codes(np.ascontiguousarray(after_CE.T), coding)[:, 0].T
    total = first_EE.sum()
    independent = float(ratio(first_EE.sum(axis=1) @ apart_EE @ first_EE.sum(axis=0), float(total) ** 2))
    return float(ratio((first_EE * apart_EE).sum(), total)), float(apart_EE.mean()), independent
