"""Callbacks that stream a training's metrics as checkpoints, and end it when it is of no more use.

`paretune.callbacks.keras` and `paretune.callbacks.lightning`; each needs its framework when it is imported.
"""

from paretune.callbacks.epochs import Epochs

__all__ = ["Epochs"]
"""What a callback for another framework is made of."""
