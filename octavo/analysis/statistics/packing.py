"""Packing: which experts stand twice, and which GPU holds which, so that every GPU has about as much to do.

    1  groups of experts go to nodes, the heaviest first, each to the lightest node with room
    2  within a node, each copy that is left to give goes to the expert with the most load a copy
    3  copies go to the node's GPUs as groups went to nodes

This is the greedy scheme that DeepSeek describes and published as EPLB; with one node and one group it is global.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Num

from octavo.errors import TraceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """GPUs that hold the experts of a layer: ``slots`` copies in all, as many on each GPU; GPUs stand in nodes.

    ``groups`` are consecutive experts that stay together on a node. Raises TraceError where that cannot be even.
    """

    gpus: int
    slots: int
    nodes: int = 1
    groups: int = 1

    def __post_init__(self) -> None:
        if min(self.gpus, self.slots, self.nodes, self.groups) < 1:
            raise TraceError(
                f"{self.gpus} GPUs, {self.slots} slots, {self.nodes} nodes, {self.groups} groups: want each 1"
            )
        for name, many, over in (("slots", self.slots, self.gpus), ("GPUs", self.gpus, self.nodes)):
            if many % over:
                raise TraceError(f"{many} {name} over {over}: want as many on each")

    def expect_room(self, num_experts: int) -> None:
        """Raises TraceError for a layer whose experts do not all find a slot, or do not fall into equal groups."""
        if self.slots < num_experts:
            raise TraceError(f"{self.slots} slots for {num_experts} experts: want one for each or more")
        if num_experts % self.groups:
            raise TraceError(f"{num_experts} experts in {self.groups} groups: want as many in each")
        if self.nodes > 1 and self.groups % self.nodes:
            raise TraceError(f"{self.groups} groups over {self.nodes} nodes: want as many on each")


def contiguous(num_experts: int, cluster: Cluster) -> Int64[np.ndarray, "s"]:
    """The expert in each slot when nothing is known of loads: in order, and again from the first if there is room."""
    return np.arange(cluster.slots) % num_experts


def pack(load_N: Num[np.ndarray, "N"], packs: int) -> tuple[Int64[np.ndarray, "N"], Int64[np.ndarray, "N"]]:
    """For each thing its pack and its place there: heaviest first, each into the lightest pack with room.

    All packs get as many things; of equal loads and packs the first is taken.
    """
    room = len(load_N) // packs
    pack_N, place_N = np.zeros(len(load_N), np.int64), np.zeros(len(load_N), np.int64)
    weight_P, filled_P = np.zeros(packs), np.zeros(packs, np.int64)
    for thing in np.argsort(-load_N, kind="stable"):
        lightest = int(np.argmin(np.where(filled_P < room, weight_P, np.inf)))
        pack_N[thing], place_N[thing] = lightest, filled_P[lightest]
        weight_P[lightest] += load_N[thing]
        filled_P[lightest] += 1
    return pack_N, place_N


def replicate(load_E: Num[np.ndarray, "E"], slots: int) -> Int64[np.ndarray, "s"]:
    """The expert of each copy: every expert once, in order, then each copy to the one with the most load a copy."""
    copies_E = np.ones(len(load_E), np.int64)
    extra = []
    for _ in range(slots - len(load_E)):
        extra.append(int(np.argmax(load_E / copies_E)))
        copies_E[extra[-1]] += 1
    return np.array([*range(len(load_E)), *extra], np.int64)


def balanced(load_E: Num[np.ndarray, "E"], cluster: Cluster) -> Int64[np.ndarray, "s"]:
    """The expert in each slot, GPU after GPU, by the greedy scheme; raises TraceError where there is no room."""
    cluster.expect_room(len(load_E))
    by_group = np.arange(len(load_E)).reshape(cluster.groups, -1)
    node_G, place_G = pack(load_E[by_group].sum(axis=1), cluster.nodes)
    slots = []
    for node in range(cluster.nodes):
        groups = sorted(np.flatnonzero(node_G == node), key=lambda group: int(place_G[group]))
        experts = by_group[groups].ravel()
        copy_s = replicate(load_E[experts], cluster.slots // cluster.nodes)
        copies_E = np.bincount(copy_s, minlength=len(experts))
        gpu_s, place_s = pack((load_E[experts] / copies_E)[copy_s], cluster.gpus // cluster.nodes)
        slots += experts[copy_s[np.lexsort((place_s, gpu_s))]].tolist()
    return np.array(slots, np.int64)


def held_EG(slot_s: Int64[np.ndarray, "s"], num_experts: int, gpus: int) -> Float64[np.ndarray, "E G"]:
    """Which part of an expert's tokens each GPU reads: tokens are spread evenly over the copies."""
    gpu_s = np.arange(len(slot_s)) // (len(slot_s) // gpus)
    copies = np.zeros((num_experts, gpus))
    np.add.at(copies, (slot_s, gpu_s), 1.0)
    return np.asarray(copies / copies.sum(axis=1, keepdims=True))
