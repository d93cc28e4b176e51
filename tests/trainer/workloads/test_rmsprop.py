import math

import pytest
import torch

from paretune_trainer.workloads.rmsprop import RmsProp


def parameters(*gradients: list[float]):
    made = []
    for gradient in gradients:
        parameter = torch.nn.Parameter(torch.zeros(len(gradient), dtype=torch.float64))
        parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        made.append(parameter)
    return made


def test_follows_the_formula():
    (parameter,) = made = parameters([3.0])
    optimizer = RmsProp(made)
    expected, square = 0.0, 0.0
    for gradient, rate in ((3.0, 0.1), (-1.0, 0.1), (0.5, 0.05)):
        parameter.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step(rate)
        square = 0.9 * square + 0.1 * gradient**2
        expected -= rate * gradient / (math.sqrt(square) + 1e-8)
        assert float(parameter.detach()) == pytest.approx(expected, rel=1e-12)


def test_agrees_with_torch():
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.ones(5)) for _ in range(2))
    optimizer, reference = RmsProp([ours]), torch.optim.RMSprop([theirs], lr=0.01, alpha=0.9, eps=1e-8)
    for _ in range(20):
        gradient = torch.randn(5)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimizer.step(0.01)
        reference.step()
    torch.testing.assert_close(ours, theirs)


def test_clipping_bounds_the_norm_of_all_gradients_together_and_keeps_their_direction():
    made = parameters([3.0, 0.0], [0.0, 4.0])
    RmsProp(made).clip(1.0)
    assert made[0].grad.tolist() == pytest.approx([0.6, 0.0], rel=1e-5)
    assert made[1].grad.tolist() == pytest.approx([0.0, 0.8], rel=1e-5)


def test_short_gradients_are_left_alone():
    made = parameters([0.3], [0.4])
    RmsProp(made).clip(1.0)
    assert [parameter.grad.item() for parameter in made] == [0.3, 0.4]


def test_gradients_are_forgotten():
    made = parameters([1.0])
    RmsProp(made).zero_grad()
    assert made[0].grad is None
