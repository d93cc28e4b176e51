"""Early stopping on recorded learning curves: how many epochs the same front costs."""
