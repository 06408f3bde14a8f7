"""The trace on disk, ``*.route/``: written document by document, read chunk by chunk; Parquet that any tool opens."""

from octavo.analysis.store.document import Document, DocumentRoutes
from octavo.analysis.store.reader import RouteTrace
from octavo.analysis.store.writer import TraceWriter

__all__ = ["Document", "DocumentRoutes", "RouteTrace", "TraceWriter"]
