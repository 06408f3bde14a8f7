"""The engine: token ids in, token ids out, with logprobs and routings; it never sees text."""
