"""Answers about what is known: fronts, predictions, importance, robustness, recommendations, forecasts."""
