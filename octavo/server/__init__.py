"""The server: HTTP in front, and behind it a process of its own that runs the model."""
