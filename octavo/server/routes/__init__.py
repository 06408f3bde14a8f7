"""The routes: what is served over HTTP, from a request's fields to the text and the routing that answer it."""
