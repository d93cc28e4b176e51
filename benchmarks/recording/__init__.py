"""Real trainings, recorded once, so that searches can be compared on them in minutes."""
