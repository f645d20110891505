"""Operators asked on finer lattices and from shifted sensors: the truth there, and who can answer."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import sciml
from sciml import data
from sciml.core import registry
from sciml.core.config import override
from sciml.core.domain import Coordinate, Domain
from sciml.core.errors import UnsupportedError
from sciml.tasks.operator import (
    OPERATOR,
    FinerLattice,
    FixedOperator,
    Gridded,
    OperatorConfig,
    OperatorScales,
    OperatorStatistics,
    from_neighbours,
    refined_size,
)
from sciml.testing import small_problem
from sciml.train import find_solver

BURGERS = registry.problem("burgers_operator")


def _bench(problem, **settings):
    return OPERATOR.prepare(problem, "tiny", OperatorConfig(functions=8, probes=(), **settings))


def test_shifted_values_are_those_between_their_neighbours():
    """Exact for linear functions up to the ends; a wave around a circle loses cos(π k h) of its height."""
    square = Domain((Coordinate("x", 0.0, 1.0), Coordinate("y", 0.0, 2.0)))
    size = refined_size(square, (4, 5))
    assert size == (7, 9)
    plane = (lambda p: 1 + 2 * p[:, 0] - 3 * p[:, 1] + p[:, 0] * p[:, 1])(square.lattice(size))
    own = (lambda p: 1 + 2 * p[:, 0] - 3 * p[:, 1] + p[:, 0] * p[:, 1])(square.lattice((4, 5)))
    torch.testing.assert_close(from_neighbours(plane[None], square, size)[0], own)
    circle = Domain((Coordinate("x", 0.0, 1.0, periodic=True),))
    assert refined_size(circle, (10,)) == (20,)
    fine, coarse = (torch.cos(2 * torch.pi * 3 * circle.lattice((n,))[:, 0]) for n in (20, 10))
    torch.testing.assert_close(from_neighbours(fine[None], circle, (20,))[0], math.cos(math.pi * 3 / 10) * coarse)


def test_a_network_of_fields_is_asked_on_the_finer_lattice_itself():
    """One that changes nothing has the distance between velocities before and after, on that lattice."""
    bench = _bench(BURGERS, finer=True)
    plain = OperatorStatistics(torch.zeros(1), torch.ones(1), torch.zeros(1), torch.ones(1))
    context = bench.context.model_copy(update={"statistics": plain})
    module = FixedOperator(
        Gridded(nn.Identity(), context.lattice), OperatorScales(context, BURGERS.domain), context.queries
    )
    scores = FinerLattice(BURGERS, bench.card).scores(find_solver("fno_map"), module, context)
    card = bench.card.model_copy(update={"sensors": {"u": (128,)}, "queries": (128,)})
    pairs = data.probe_pairs(BURGERS, card, bench.card.space)
    before, after = pairs.functions, pairs.values[..., 0]
    assert scores["lattice/finer"] == pytest.approx(float(((before - after).norm(dim=1) / after.norm(dim=1)).mean()))
    assert scores["sensors/shifted"] == pytest.approx(scores["lattice/finer"], rel=0.1)


@pytest.mark.parametrize(("key", "answers"), [("fno_map", True), ("deeponet", True), ("pod_deeponet", False)])
def test_who_answers_on_a_finer_lattice(key, answers):
    solver, bench = find_solver(key), _bench(BURGERS, finer=True)
    module = solver.build(BURGERS, override(solver.recipe("tiny"), ["baselines=[]"]).model, bench.context)
    metrics = bench.examine(solver, module).metrics
    assert math.isfinite(metrics["sensors/shifted"])
    assert ("lattice/finer" in metrics) is answers
    assert "lattice/finer" not in _bench(BURGERS).examine(solver, module).metrics


def test_a_network_that_refuses_the_finer_lattice_is_examined_without_it():
    """The U-Net of the recipe halves 16 x 12 points twice, and cannot halve the 31 x 23 of the finer lattice."""
    solver, blur = find_solver("unet_map"), small_problem("plane_blur")
    bench = _bench(blur, finer=True)
    metrics = bench.examine(solver, solver.build(blur, solver.recipe("tiny").model, bench.context)).metrics
    assert math.isfinite(metrics["sensors/shifted"])
    assert "lattice/finer" not in metrics


def test_what_has_no_finer_lattice_is_refused_before_the_training():
    with pytest.raises(UnsupportedError, match="no lattice whose cells can be halved"):
        _bench(BURGERS, finer=True, sensors={"u": (2,)})
    pairs = sciml.dataset(
        (np.arange(36.0).reshape(9, 4), np.linspace(0, 1, 5)[:, None], np.ones((9, 5))), name="own_pairs"
    )
    with pytest.raises(UnsupportedError, match="needs a reference"):
        FinerLattice(pairs, _bench(BURGERS).card)
