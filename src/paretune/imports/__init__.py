"""Searches that were begun elsewhere: Optuna studies, Ax snapshots, SigOpt-style experiments.

`paretune.imports.optuna`, `ax` and `sigopt` read one each into a `Foreign`: an experiment and its results.
`record` records it.
"""

from paretune.imports.foreign import ORIGIN, Foreign, record

__all__ = ["ORIGIN", "Foreign", "record"]
