"""The trace on disk, ``*.route/``: written document by document, read chunk by chunk; Parquet that any tool opens."""

from octavo.analysis.store.document import Document, DocumentRoutes

__all__ = ["Document", "DocumentRoutes"]
