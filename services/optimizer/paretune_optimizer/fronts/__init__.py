"""Dominance and exact hypervolume of plain arrays."""
