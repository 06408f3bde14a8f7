"""The server: text and tokens over HTTP at the front, the engine in a process of its own behind it."""
