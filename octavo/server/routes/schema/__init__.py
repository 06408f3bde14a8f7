"""What requests may say and what answers look like, as JSON: the words of OpenAI's API and of vLLM's additions."""
