"""Grouped-query attention over packed sequences and over a paged cache."""
