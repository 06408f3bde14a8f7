"""The feed-forward experts of one layer, spent as a routing says."""
