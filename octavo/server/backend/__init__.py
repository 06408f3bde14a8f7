"""The backend: the engine in a process of its own, and the seam by which the HTTP side speaks with it."""
