"""Contents: which tables accumulators keep, and their shapes.

    tokens        []          tokens that count
    documents     []          documents met
    rank          [L,K,E]     how often each expert stood at each rank
    code          [L,C]       how often each route was taken                                          (byte codes)
    pair          [L,C,C]     from one token's route to the next one's, in one document               (byte codes)
    layer_pair    [L-1,C,C]   from a token's route to its route in the next layer with experts        (byte codes)
    together      [L,E,E]     tokens that chose both experts                                          (no byte codes)
    neighbours    [L,E,E]     tokens that chose them next to each other in rank order                 (no byte codes)
    pairs         [G]         pairs of tokens that count, at each of G lags
    repeats       [G,L,4]     those that repeat: first, either, exact, order-free
    repeat_code   [G,L,C]     routes of the tokens in these pairs, each token once for each pair      (byte codes)
    repeat_first  [G,L,E]     their first choices                                                     (no byte codes)
    vocabulary    [L,V,K,E]   how often each expert stood at each rank, by token id; over all domains
    weight, margin, entropy [L,256]   histograms over 0 to 1: the first choice's weight, p(1) − p(2), H(p) / ln E
    probability   [L,E]       Σ p, and z_squared [L] Σ (ln Σ exp z)², confidence [L,3] Σ of the three above,
                              in units of 2^-24, since only whole numbers add alike in any order
    weights       [R]         Σ of the Poisson weights of the tokens of R replicates, so replicate_pairs [R]
    replicate_rank [R,L,K,E]  and replicate_repeats [R,L,4] (lag 1)

Everything is int64, by domain but for the vocabulary. A route is a code of RouteCoding; C is E^K.
"""

from dataclasses import dataclass

from octavo.analysis.manifest import TraceManifest
from octavo.errors import TraceError

BINS = 256
UNITS = 1 << 24
FAR = 64
EVERYWHERE = ""  # stands for a domain where a table is kept over all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Which tables are kept beside the counts: ``lags`` at which repetition is counted, ``replicates`` for intervals.

    Without ``routes`` only ranks are counted, not which experts came together: all that counts of others may tell.
    The defaults are what fits in memory for the models we know; every lag costs as much time as the first.
    """

    routes: bool = True
    pairs: bool = True
    layer_pairs: bool = True
    vocabulary: bool = True
    confidence: bool = True
    lags: tuple[int, ...] = (1,)
    replicates: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if sorted(set(self.lags)) != list(self.lags) or any(not 1 <= lag <= FAR for lag in self.lags):
            raise TraceError(f"lags {list(self.lags)}: want numbers from 1 to {FAR}, rising, each once")
        if self.replicates < 0 or self.seed < 0:
            raise TraceError(f"{self.replicates} replicates with the seed {self.seed}: want both 0 or more")

    def shapes(self, manifest: TraceManifest, layers: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """The tables of one domain, and their shapes, that a trace with this manifest can fill."""
        coding = manifest.coding
        L, K, E, C, G = len(layers), coding.k, coding.num_experts, coding.size, len(self.lags)
        shapes: dict[str, tuple[int, ...]] = {"tokens": (), "documents": (), "rank": (L, K, E)}
        shapes |= {"pairs": (G,), "repeats": (G, L, 4)}
        if not self.routes:
            pass
        elif coding.fits_a_byte:
            shapes |= {"code": (L, C), "repeat_code": (G, L, C)}
            shapes |= {"pair": (L, C, C)} if self.pairs and 1 in self.lags else {}
            shapes |= {"layer_pair": (L - 1, C, C)} if self.layer_pairs else {}
        else:
            shapes |= {"together": (L, E, E), "neighbours": (L, E, E), "repeat_first": (G, L, E)}
        if self.confidence and manifest.has_weights:
            shapes |= {"weight": (L, BINS)}
        if self.confidence and manifest.has_logits:
            shapes |= {"margin": (L, BINS), "entropy": (L, BINS), "probability": (L, E), "z_squared": (L,)}
        if {"weight", "margin"} & set(shapes):
            shapes |= {"confidence": (L, 3)}
        if self.replicates:
            R = self.replicates
            shapes |= {"weights": (R,), "replicate_rank": (R, L, K, E)}
            if 1 in self.lags:
                shapes |= {"replicate_pairs": (R,), "replicate_repeats": (R, L, 4)}
        return shapes

    def shared_shapes(self, manifest: TraceManifest, layers: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """The tables over all domains, and their shapes: the vocabulary, where ids are known and fit."""
        coding, V = manifest.coding, manifest.vocab_size
        if not (self.vocabulary and manifest.has_tokens and V is not None and coding.fits_a_byte):
            return {}
        return {"vocabulary": (len(layers), V, coding.k, coding.num_experts)}
