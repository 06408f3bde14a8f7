"""What crosses the engine's door cannot be changed, and a sequence counts its own tokens."""

import dataclasses

import pytest

from octavo.engine.request import Group, Progress, Sequence
from tests.engine.serving import request


def test_requests_and_progress_do_not_change() -> None:
    for value, name in ((request([1]), "params"), (Progress(request_id="0", index=0), "token_id")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, None)


def test_a_sequence_counts_its_prompt_and_what_it_has_generated() -> None:
    one = Sequence(group=Group(request=request([1, 2, 3])), index=0, seed=0, token_ids=[1, 2, 3, 9])
    assert (one.num_prompt, one.num_generated) == (3, 1)
    assert one.request.prompt_token_ids == (1, 2, 3)
