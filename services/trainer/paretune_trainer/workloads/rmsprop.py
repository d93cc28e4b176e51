"""RMSProp for PyTorch tensors, with a learning rate given at each step.

    v <- r v + (1 - r) g^2
    p <- p - lr g / (sqrt(v) + eps)

after T. Tieleman and G. Hinton, "Lecture 6.5: RMSProp", Coursera, 2012, with r = 0.9 as
given there. Own code for the reason named in `adam.py`: constructing the first optimizer
of `torch.optim` costs a trial more than a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


class RmsProp:
    """Mean squares of the gradients of a list of parameters, updated in place by `step`."""

    def __init__(self, parameters: Iterable[Any], *, memory: float = 0.9, epsilon: float = 1e-8) -> None:
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self._squares = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._memory, self._epsilon = memory, epsilon

    def zero_grad(self) -> None:
        """Forget the gradients of the last step."""
        for parameter in self._parameters:
            parameter.grad = None

    def clip(self, max_norm: float) -> None:
        """Scale all gradients so that their norm, taken together, is at most `max_norm`."""
        torch.nn.utils.clip_grad_norm_(self._parameters, max_norm)

    def step(self, learning_rate: float) -> None:
        """Take one step along the parameters' gradients, all of which must exist."""
        with torch.no_grad():
            gradients = [parameter.grad for parameter in self._parameters]
            # The foreach calls fuse all tensors into a few kernels on a GPU.
            torch._foreach_mul_(self._squares, self._memory)
            torch._foreach_addcmul_(self._squares, gradients, gradients, 1 - self._memory)
            denominator = torch._foreach_sqrt(self._squares)
            torch._foreach_add_(denominator, self._epsilon)
            torch._foreach_addcdiv_(self._parameters, gradients, denominator, -learning_rate)
