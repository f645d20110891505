"""Fitting one solver of a run, the main one or a baseline."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.errors import NumericsError, UserError
from sciml.core.progress import Progress
from sciml.core.text import counted
from sciml.train import (
    AnyBench,
    AnyRecipe,
    AnySolver,
    Trainer,
    TrainResult,
    build_module,
    count_parameters,
    match_parameters,
)


class Fitted(NamedTuple):
    """A fitted solver.

    Fields:
        solver, recipe, module: what it is.
        result: what the trainer reports; None for a closed-form fit or a solver without parameters.
        seconds: wall time of the fit.
    """

    solver: AnySolver
    recipe: AnyRecipe
    module: nn.Module
    result: TrainResult | None
    seconds: float


def resized(solver: AnySolver, recipe: AnyRecipe, bench: AnyBench, parameters: int) -> AnyRecipe:
    """The recipe with its model matched to a parameter count."""
    model = match_parameters(solver, bench.problem, recipe.model, bench.context, parameters)
    return recipe.model_copy(update={"model": model})


def fit(
    solver: AnySolver,
    recipe: AnyRecipe,
    bench: AnyBench,
    *,
    folder: Path,
    seed: int,
    identity: dict[str, Any],  # Any: JSON
    resume: bool,
    device: torch.device,
    progress: Progress,
    start: nn.Module | None = None,
) -> Fitted:
    """Build a solver's module and fit it, in closed form where it can be, else by the trainer.

    Arguments:
        solver, recipe, bench: what is fitted to what.
        folder: where checkpoint, weights and log go.
        seed: of initialisation, batch order and noise, together with the solver's key.
        identity: of the run, kept in the checkpoint so that another run's is refused.
        resume, device, progress: as for `run`.
        start: a trained module of the same network whose weights to begin with; None for those of the initialisation.

    Raises: UserError for weights of another network, and for a start where nothing is trained by steps.
    """
    rng.seed_everything(rng.derive(seed, "init", solver.key))
    module = build_module(solver, bench.problem, recipe.model, bench.context).to(device)
    solver.task.equip(module, bench.context)
    started = time.perf_counter()
    if start is not None and solver.rule is None:
        raise UserError("there are no steps that could begin with other weights",
                        got=f"solver {solver.key!r}, which is fitted in closed form")  # fmt: skip
    if solver.solve_closed_form(module, bench.examples):
        if not all(bool(weight.isfinite().all()) for weight in module.parameters()):
            raise NumericsError(f"the fit of {solver.title} broke down: a weight is not finite. Look at the data for "
                                "values of very different size, or regularise.")  # fmt: skip
        bench.calibrate(solver, module)
        return Fitted(solver, recipe, module, None, time.perf_counter() - started)
    solver.initialise(module, bench.examples)
    if start is not None:
        _begin_with(solver, module, start)
    rule = solver.step_rule(module, bench.examples, recipe.train, rng.derive(seed, "rule", solver.key))
    prepared = time.perf_counter() - started
    progress.log(f"{solver.title}: {count_parameters(module):,} parameters, {counted(recipe.train.steps, 'steps')}")
    result = Trainer(
        module,
        solver.loss,
        bench.examples,
        lambda candidate: bench.validate(solver, candidate),
        recipe.train,
        folder=folder,
        seed=rng.derive(seed, "train", solver.key),
        identity={**identity, "trained": solver.key, "own_recipe": recipe.model_dump(mode="json")},
        explain=lambda candidate, batch: bench.explain(solver, candidate, batch),
        progress=progress,
        rule=rule,
        watch=lambda candidate: bench.watch(solver, candidate),
    ).fit(resume=resume)
    bench.calibrate(solver, module)
    return Fitted(solver, recipe, module, result, prepared + result.seconds)


@torch.no_grad()
def _begin_with(solver: AnySolver, module: nn.Module, start: nn.Module) -> None:
    """The weights of a network of the same shape, with the random numbers they were trained beside."""
    trained, weights = (_weights(solver, each) for each in (start, module))
    unlike = [name for name in {*weights, *trained} if name not in weights or name not in trained
              or weights[name].shape != trained[name].shape]  # fmt: skip
    if unlike:
        name = sorted(unlike)[0]
        shapes = [tuple(group[name].shape) if name in group else "none" for group in (trained, weights)]
        raise UserError("the weights to begin with are those of another network", got=f"{name}: {shapes[0]}",
                        expected=str(shapes[1]),
                        fix="Take the same fields, unknown numbers and model settings as there.")  # fmt: skip
    for name, weight in weights.items():
        weight.copy_(trained[name])


def _weights(solver: AnySolver, module: nn.Module) -> dict[str, Tensor]:
    """All parameters by name, and the buffers that were drawn at random."""
    drawn = {name: buffer for name, buffer in module.named_buffers() if name in solver.drawn}
    return {**dict(module.named_parameters()), **drawn}
