"""Site: the page's files, as they were built, from memory; the page may load nothing from anywhere else."""

import hashlib
import mimetypes
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

PAGE = Path(__file__).parent.parent / "page"
# No inline script, no inline style, no other origin; nobody may frame it.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


def site_routes(folder: Path = PAGE) -> APIRouter:
    """A route for each file of the page; none where it was not built. They are read once."""
    router = APIRouter()
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    for path in files:
        name = path.relative_to(folder).as_posix()
        route = "/" if name == "index.html" else f"/{name}"
        router.add_api_route(route, _answer(path), methods=["GET", "HEAD"], include_in_schema=False)
    return router


def _answer(path: Path):  # type: ignore[no-untyped-def]  # FastAPI reads the inner function's signature
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    # What the build names by its content never changes; the page itself is asked for anew.
    caching = "public, max-age=31536000, immutable" if path.parent.name == "assets" else "no-cache"
    headers = {**HEADERS, "etag": tag, "cache-control": caching}

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=kind)

    return answer
