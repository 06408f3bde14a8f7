"""Figures on paper: every one with its nulls and intervals drawn, as PNG, SVG, PDF, CSV, JSON or a LaTeX table."""
