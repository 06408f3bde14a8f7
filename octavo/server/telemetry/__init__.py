"""Telemetry: what the server counts, keeps and records of its requests and of how they are routed."""
