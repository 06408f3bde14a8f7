"""Guards: everything that stands between the protocol and the application, in its one right order.

Forecourt    no room: 429 before the body comes
Deadline     the whole request, its body included
Pieces       large answers, piece by piece
Bodies       413, 400; then the body is there
Turnstile    a place for as long as the answer takes, or 429
"""

from collections.abc import Callable, Container, Hashable

from starlette.types import ASGIApp, Scope

from octavo.server.edge.bodies import Bodies
from octavo.server.edge.deadlines import Deadline
from octavo.server.edge.overload import Forecourt, Places, Turnstile, address_of
from octavo.server.edge.pieces import Pieces
from octavo.server.limits import Limits


def guarded(
    app: ASGIApp,
    *,
    limits: Limits,
    places: Places,
    json_paths: Container[str],
    costly_paths: Container[str],
    client_of: Callable[[Scope], Hashable] = address_of,
    weigh: Callable[[object], int] = lambda value: 1,
) -> ASGIApp:
    """``app`` within ``limits``; ``costly_paths`` are those whose POST asks the engine for sequences.

    Who may ask at all is decided outside of it, so that a stranger's body is never read.
    """
    inner: ASGIApp = Turnstile(app, places=places, paths=costly_paths, client_of=client_of, weigh=weigh)
    inner = Pieces(Bodies(inner, limits=limits, json_paths=json_paths))
    inner = Deadline(inner, seconds=limits.request_timeout)
    return Forecourt(inner, places=places, paths=costly_paths, client_of=client_of)
