"""When requests arrive: moments in seconds after the start, as drawn from a gamma process.

Gaps have mean 1 / rate and shape ``burstiness``: 1 is a Poisson process, less comes in bursts, more is more even. A
rate of inf is all at once.
"""

import math

import numpy as np

from octavo.errors import RequestError


def draw_arrivals(count: int, rate: float, *, burstiness: float, generator: np.random.Generator) -> list[float]:
    """``count`` moments in order, the first of them 0; raises RequestError for a rate or shape that cannot be.

    They are stretched so that ``count`` requests take ``count / rate`` seconds to arrive whatever was drawn: two runs
    at one rate then have the same load.
    """
    if math.isnan(rate) or rate <= 0:
        raise RequestError(f"--request-rate is {rate:g}: want requests a second above 0, or inf for all at once")
    if not (math.isfinite(burstiness) and burstiness > 0):
        raise RequestError(f"--burstiness is {burstiness:g}: want a number above 0; 1 is a Poisson process")
    if math.isinf(rate):
        return [0.0] * count
    gaps = generator.gamma(burstiness, 1.0, size=count)
    moments = np.cumsum(gaps) * (count / rate / max(gaps.sum(), 1e-9))
    return [float(moment) for moment in moments - moments[0]]
