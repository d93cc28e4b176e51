"""The trainings that come with paretune, each a function `workloads.NAME:NAME`.

Read `catalog.py` for what exists, `digits.py` for the shortest complete example.
"""
