"""Algorithms that propose configurations, one module each."""
