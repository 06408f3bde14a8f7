"""The fields that completions and chats share: null is the default, and what they add up to is told."""

import pytest
from pydantic import ValidationError

from octavo.server.routes.schema.sampling import SamplingFields


def test_every_field_may_be_null() -> None:
    fields = SamplingFields.model_validate(dict.fromkeys(SamplingFields.model_fields))
    assert fields == SamplingFields()


def test_routing_goes_by_either_name() -> None:
    assert not SamplingFields().wants_routing
    assert SamplingFields(routing=True).wants_routing
    assert SamplingFields(return_routed_experts=True).wants_routing


def test_stop_is_a_string_or_several() -> None:
    assert SamplingFields().stops == []
    assert SamplingFields(stop="x").stops == ["x"]
    assert SamplingFields(stop=["x", "y"]).stops == ["x", "y"]
    for stop, says in ((5, "stop is 5"), (["x", 5], "stop holds 5"), ({}, "stop is an object")):
        with pytest.raises(ValidationError, match=says):
            SamplingFields(stop=stop)


@pytest.mark.parametrize("field", ["temperature", "top_p"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", True])
def test_a_number_is_finite_and_no_text(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        SamplingFields.model_validate({field: value})
    assert SamplingFields.model_validate({field: 1}) == SamplingFields.model_validate({field: 1.0})


def test_a_schema_goes_by_its_json_name() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}
    fields = SamplingFields.model_validate({"response_format": form})
    assert fields.response_format is not None and fields.response_format.json_schema is not None
    assert fields.response_format.json_schema.schema_ == {"type": "object"}
    with pytest.raises(ValidationError, match="did you mean 'schema'"):
        SamplingFields.model_validate({"response_format": {**form, "json_schema": {"schema_": {}}}})
