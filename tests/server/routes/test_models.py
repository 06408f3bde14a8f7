"""What is served, and how it is: models, health, version, load."""

import openai
import pytest

import octavo
from octavo.server.routes.schema.replies import Health, Load, ModelList, Version
from tests.server.live import Live


def test_the_model_is_listed_under_each_of_its_names(mini_server: Live) -> None:
    listed = mini_server.client.models.list().data
    assert [model.id for model in listed] == ["octavo-mini", "another-name"]
    ModelList.model_validate(mini_server.http.get("/v1/models").json())
    assert mini_server.client.models.retrieve("another-name").id == "another-name"
    assert mini_server.http.get("/v1/models/octavo-mini").json()["max_model_len"] == 2048
    with pytest.raises(openai.NotFoundError):
        mini_server.client.models.retrieve("org/other")


def test_health_follows_the_engine(mini_server: Live) -> None:
    Health.model_validate(mini_server.http.get("/health").json())
    for state in ("loading", "draining", "dead"):
        mini_server.service.state = state
        try:
            response = mini_server.http.get("/health")
            refused = mini_server.post("/v1/completions", prompt="x")
            listed = mini_server.http.get("/v1/models").json()
        finally:
            mini_server.service.state = "ready"
        assert (response.status_code, refused.status_code) == (503, 503)
        assert state in response.json()["error"]["message"]
        assert refused.headers["retry-after"] and listed["data"][0]["max_model_len"] is None
    assert mini_server.http.get("/health").status_code == 200


def test_the_version_is_the_packages(mini_server: Live) -> None:
    found = mini_server.http.get("/version").json()
    Version.model_validate(found)
    assert found == {"version": octavo.__version__}


def test_the_load_is_the_engines(mini_server: Live) -> None:
    mini_server.post("/v1/completions", prompt="x")
    found = mini_server.http.get("/load").json()
    Load.model_validate(found)
    assert found["server_load"] == 0
    assert found["pages_total"] == mini_server.service.facts.num_pages
