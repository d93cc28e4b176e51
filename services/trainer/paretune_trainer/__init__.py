"""The Trainer: a node that pulls suggestions, trains each in a process of its own and reports the metrics."""
