"""What every forecasting network promises, whichever it is."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from sciml.core.errors import UnknownNameError
from sciml.solvers.baselines import SOLVERS as BASELINES
from sciml.solvers.sinenet import SOLVERS as SINENET
from sciml.tasks.forecast import FORECAST
from sciml.train import count_parameters, match_parameters

_SPEC = importlib.util.spec_from_file_location(
    "golden_forecasters", Path(__file__).parent.parent / "golden" / "forecasters.py"
)
golden = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(golden)

SOLVERS = {  # ensembles are made of these, and have tests of their own
    solver.key: solver for solver in (*SINENET, *BASELINES) if solver.task is FORECAST and hasattr(solver, "network")
}
every_solver = pytest.mark.parametrize("key", sorted(SOLVERS))


def inputs(key, batch=3):
    generator = torch.Generator().manual_seed(11)
    states = torch.randn(batch, 4, 16, 8, dtype=torch.float64, generator=generator)
    condition = torch.randn(batch, 2, dtype=torch.float64, generator=generator)
    return states, condition if golden.network(key).condition_channels else None


def test_every_solver_has_a_golden_output():
    assert set(golden.MODELS) == set(SOLVERS) == set(json.loads(golden.FILE.read_text()))


@every_solver
def test_golden_output(key):
    assert golden.output(key) == pytest.approx(json.loads(golden.FILE.read_text())[key], rel=1e-9, abs=1e-9)


@every_solver
def test_a_row_of_a_batch_is_a_batch_of_one(key):
    network, (states, condition) = golden.network(key), inputs(key)
    alone = network(states[1:2], None if condition is None else condition[1:2])
    assert torch.allclose(network(states, condition)[1:2], alone, rtol=0, atol=1e-12)


@every_solver
def test_gradients_are_finite_and_reach_the_input(key):
    network, (states, condition) = golden.network(key), inputs(key)
    network(states.requires_grad_(), condition).square().sum().backward()
    assert states.grad.isfinite().all()
    assert states.grad.any()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters() if parameter.grad is not None)


@every_solver
def test_exports_to_a_program_that_gives_the_same(key):
    network, (states, condition) = golden.network(key).eval(), inputs(key)
    program = torch.export.export(network, (states, condition))
    assert torch.equal(program.module()(states, condition), network(states, condition))
    assert torch.equal(network(states, condition), network(states.clone(), condition))  # export left nothing behind


@every_solver
def test_weights_are_contiguous_and_round_trip(key):
    network, (states, condition) = golden.network(key), inputs(key)
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert all(tensor.is_contiguous() for tensor in weights.values())
    other = golden.network(key)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(weights)
    assert torch.equal(other(states, condition), network(states, condition))


@every_solver
def test_half_precision_stays_near(key):
    network, (states, condition) = golden.network(key).float(), (x if x is None else x.float() for x in inputs(key))
    with torch.autocast("cpu", torch.bfloat16):
        half = network(states, condition).float()
    full = network(states, condition)
    assert (half - full).detach().norm() < 0.1 * full.detach().norm()


@every_solver
@pytest.mark.parametrize("preset", ["tiny", "small", "paper"])
def test_recipes_build_without_memory_and_are_of_their_class(key, preset, bare, context, grid):
    solver, size = SOLVERS[key], (128, 128) if preset == "paper" else (32, 32)
    recipe = solver.recipe(preset)
    model_type = type(golden.MODELS[key][1])
    assert type(recipe.model) is model_type
    with torch.device("meta"):
        seen = context(grid(*size), history=recipe.task.history, fields=3, parameters=0)
        built = solver.build(bare, recipe.model, seen)
    assert count_parameters(built) <= 40_000_000
    assert set(recipe.baselines) <= set(SOLVERS) - {key}
    assert {"persistence", "linear"} <= set(recipe.baselines) or key in ("persistence", "linear")


@every_solver
def test_an_unknown_preset_lists_the_valid_ones(key):
    with pytest.raises(UnknownNameError, match=r"unknown preset 'tny'; expected one of: paper, small, tiny. Did you"):
        SOLVERS[key].recipe("tny")


@pytest.mark.parametrize("preset", ["tiny", "small"])
@pytest.mark.parametrize("key", sorted(key for key, solver in SOLVERS.items() if solver.knob and key != "sinenet"))
def test_baselines_can_be_matched_to_sinenet(key, preset, bare, context, grid):
    sinenet, solver = SOLVERS["sinenet"], SOLVERS[key]
    seen = context(grid(32, 32), fields=3, parameters=0)
    with torch.device("meta"):
        target = count_parameters(sinenet.network(bare, sinenet.recipe(preset).model, seen))
    matched = match_parameters(solver, bare, solver.recipe(preset).model, seen, target)
    with torch.device("meta"):
        count = count_parameters(solver.network(bare, matched, seen))
    assert count == pytest.approx(target, rel=0.1)
