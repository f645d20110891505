"""Splines as matrices: polynomials and order, irregular nodes in any order, periods, refusals."""

import numpy as np
import pytest
import torch

from sciml.core.errors import UserError
from sciml.reference import spline_matrix

POINTS = torch.linspace(0, 1, 37, dtype=torch.float64)


def test_cubics_are_exact_at_irregular_nodes_in_any_order():
    nodes = torch.tensor([0.9, 0.0, 0.13, 0.55, 1.0, 0.3]).double()
    cubic = lambda x: 1 - 2 * x + 3 * x**2 - x**3
    torch.testing.assert_close(spline_matrix(nodes, POINTS) @ cubic(nodes), cubic(POINTS))
    torch.testing.assert_close(spline_matrix(nodes, nodes), torch.eye(6).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("period", [None, 1.0])
def test_the_order_is_four(period):
    errors = []
    for count in (16, 32):
        nodes = torch.linspace(0, 1, count + 1, dtype=torch.float64)[: count if period else None]
        wave = lambda x: torch.sin(2 * torch.pi * x + 0.3)
        errors.append(float((spline_matrix(nodes, POINTS, period=period) @ wave(nodes) - wave(POINTS)).abs().max()))
    assert np.log2(errors[0] / errors[1]) > 3.5


def test_few_nodes_give_the_polynomial_through_them_and_repeated_ones_none():
    assert torch.equal(spline_matrix(torch.tensor([0.5]), POINTS), torch.ones(37, 1).double())
    line = spline_matrix(torch.tensor([0.0, 1.0]), POINTS) @ torch.tensor([1.0, 3.0]).double()
    torch.testing.assert_close(line, 1 + 2 * POINTS)
    with pytest.raises(UserError, match="distinct nodes"):
        spline_matrix(torch.tensor([0.0, 0.5, 0.5]), POINTS)
