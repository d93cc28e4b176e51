"""What the observations teach: Gaussian processes of the metrics, and the chance of not failing."""
