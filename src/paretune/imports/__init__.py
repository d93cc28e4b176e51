"""Searches that were begun elsewhere: Optuna studies, Ax snapshots, SigOpt-style experiments.

`paretune.imports.optuna`, `ax` and `sigopt` read one each into a `Foreign`: an experiment and its results.
`record` records it.
"""

from paretune.imports.foreign import Foreign, record
from paretune.transfer import ORIGIN

__all__ = ["ORIGIN", "Foreign", "record"]
