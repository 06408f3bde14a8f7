"""Measuring the engine on a device: what it does in a second, beside what the device could do at most."""
