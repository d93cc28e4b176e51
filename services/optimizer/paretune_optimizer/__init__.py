"""The Optimizer: proposes configurations and says everything a model can say about an experiment."""
