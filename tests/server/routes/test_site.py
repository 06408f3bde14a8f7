"""The page's files come from memory with a policy that lets nothing else in."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from octavo.server.routes.site import site_routes


@pytest.fixture
def page(tmp_path: Path) -> httpx.Client:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>x</title>")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path / "assets" / "page-1.js").write_text("1")
    app = FastAPI()
    app.include_router(site_routes(tmp_path))
    return TestClient(app)


@pytest.mark.parametrize(
    ("path", "kind"), [("/", "text/html"), ("/favicon.svg", "image/svg+xml"), ("/assets/page-1.js", "text/javascript")]
)
def test_each_file_has_its_kind_and_the_policy(page: httpx.Client, path: str, kind: str) -> None:
    response = page.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(kind)
    assert response.headers["x-content-type-options"] == "nosniff"
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy


def test_what_has_not_changed_is_not_sent_again(page: httpx.Client) -> None:
    tag = page.get("/").headers["etag"]
    again = page.get("/", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert page.get("/assets/page-1.js").headers["cache-control"].endswith("immutable")


@pytest.mark.parametrize("path", ["/assets/", "/assets/other.js", "/index.html", "/assets/../index.html"])
def test_only_what_was_built_is_there(page: httpx.Client, path: str) -> None:
    assert page.get(path).status_code == 404


def test_a_page_that_was_not_built_has_no_routes(tmp_path: Path) -> None:
    assert site_routes(tmp_path / "none").routes == []
