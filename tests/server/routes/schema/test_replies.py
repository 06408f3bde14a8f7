"""The description of answers allows nothing beyond itself; that real answers keep to it is tried beside each route."""

import inspect

import pytest
from pydantic import BaseModel, ValidationError

from octavo.server.routes.schema import replies
from octavo.server.routes.schema.replies import ErrorReply, ModelList, Reply, Usage


def test_a_field_that_is_not_described_is_found() -> None:
    with pytest.raises(ValidationError):
        Usage.model_validate({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "more": 3})
    with pytest.raises(ValidationError):
        ErrorReply.model_validate({"error": {"message": "x", "type": "y", "param": None}})


def test_every_description_says_what_it_is() -> None:
    found = [each for _, each in inspect.getmembers(replies, inspect.isclass) if issubclass(each, Reply)]
    assert len(found) > 15
    assert all(each.__doc__ and each.__doc__ != BaseModel.__doc__ for each in found)
    assert ModelList.model_json_schema()["additionalProperties"] is False
