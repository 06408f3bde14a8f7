"""What the routes of routing answer fits what they are described to answer."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from octavo.server.backend.service import ServiceLoad, StepReport
from octavo.server.routes.schema.routing import RoutedRequest, RoutingStatsReply
from octavo.server.telemetry.routing_log import RoutingLog
from octavo.server.telemetry.routing_stats import RoutingStats


def test_statistics_fit_before_and_after_the_first_step() -> None:
    stats = RoutingStats()
    assert RoutingStatsReply.model_validate(stats.wire()).window.seconds == 60
    stats.add(
        StepReport(
            seconds=0.1, tokens_read=2, prompt_tokens=2, tokens_chosen=1, num_sequences=1, started=(),
            expert_count_LE=np.array([[3, 1]]), load=ServiceLoad(),
        )
    )  # fmt: skip
    assert RoutingStatsReply.model_validate(stats.wire()).since_start.layers[0].expert_share == [0.75, 0.25]


def test_a_request_s_routing_fits_and_text_would_not() -> None:
    log = RoutingLog()
    heard = log.begin("a")
    heard.add({"prompt_token_ids": [1], "choices": [{"index": 0, "token_ids": [2], "routed_experts": [[[0, 1]]]}]})
    heard.keep()
    entry = log.find("a")
    assert entry is not None
    found = json.loads(b"".join(entry.pieces()))
    assert RoutedRequest.model_validate(found).choices[0].routed_experts == [[[0, 1]]]
    with pytest.raises(ValidationError):
        RoutedRequest.model_validate({**found, "text": "x"})
