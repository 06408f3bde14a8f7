"""Speaks to any server of OpenAI's interface: single answers, streams, files of requests, and how long they take."""
