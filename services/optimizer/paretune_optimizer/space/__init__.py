"""The search space as coordinates in the unit cube, and what users believe of it beforehand."""
