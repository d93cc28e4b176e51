import numpy as np
import pytest
import torch

from paretune_trainer.workloads.adam import Adam


def quadratic(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in [(3, 2), (4,)]]


def descend(parameters, step, steps=20):
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = None
        sum((p**2 * torch.arange(1.0, p.numel() + 1).reshape(p.shape)).sum() for p in parameters).backward()
        step()
    return [p.detach().numpy() for p in parameters]


def test_agrees_with_torch_where_epsilon_does_not_matter():
    ours, theirs = quadratic(0), quadratic(0)
    adam = Adam(ours, beta_1=0.8, beta_2=0.99, epsilon=1e-12)
    reference = torch.optim.Adam(theirs, lr=0.1, betas=(0.8, 0.99), eps=1e-12)
    for mine, other in zip(
        descend(ours, lambda: adam.step(0.1)), descend(theirs, reference.step), strict=True
    ):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


def test_first_step_with_a_large_epsilon_follows_the_formula():
    parameter = torch.tensor([1.0]).requires_grad_()
    adam = Adam([parameter], beta_1=0.9, beta_2=0.99, epsilon=0.5)
    parameter.grad = torch.tensor([2.0])
    adam.step(0.1)
    # m = 0.2, v = 0.04, a = 0.1 sqrt(0.01) / 0.1
    assert parameter.item() == pytest.approx(1 - 0.1 * 0.2 / (0.2 + 0.5))


def test_frozen_parameters_stay():
    frozen, free = torch.ones(2), torch.ones(2, requires_grad=True)
    adam = Adam([frozen, free])
    free.grad = torch.ones(2)
    adam.step(0.1)
    assert frozen.tolist() == [1.0, 1.0]
    assert free.tolist() != [1.0, 1.0]
    adam.zero_grad()
    assert free.grad is None
