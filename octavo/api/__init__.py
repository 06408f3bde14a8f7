"""Text in, text out: where the tokenizer and the engine meet, in vLLM's names."""
