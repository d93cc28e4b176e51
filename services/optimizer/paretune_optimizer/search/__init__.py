"""Where to measure next: what an evaluation would add to the front, and the climb to the best of it."""
