"""Requests about token ids have the fields of vLLM's."""

import pytest
from pydantic import ValidationError

from octavo.server.routes.schema.tokens import DetokenizeRequest, TokenizeRequest


def test_a_text_or_a_conversation_is_read() -> None:
    assert TokenizeRequest.model_validate({"prompt": "x", "add_special_tokens": False}).prompt == "x"
    assert TokenizeRequest.model_validate({"messages": [{"role": "user", "content": "x"}]}).messages


def test_ids_are_whole_numbers() -> None:
    assert DetokenizeRequest.model_validate({"tokens": [1, 2]}).tokens == [1, 2]
    with pytest.raises(ValidationError):
        DetokenizeRequest.model_validate({"tokens": [1.5]})
