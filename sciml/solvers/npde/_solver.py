"""Forecasts by an equation that is fitted to the frames."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from sciml.core.capabilities import HasTrajectories
from sciml.core.errors import ConfigError
from sciml.core.problem import Problem
from sciml.core.types import Support
from sciml.data import WindowBatch
from sciml.models.npde import Diffusion, NPDEConv, as_text, equations_of, trainable_numbers
from sciml.nn import Stepper
from sciml.solvers.npde._config import NPDEConfig
from sciml.solvers.npde._fit import jackknifed
from sciml.solvers.npde._forecaster import Forecaster
from sciml.solvers.npde._intervals import GROUPS, Interval, jackknife
from sciml.solvers.npde._rules import NPDERule, chosen_windows, frames_of, rows_of, rule_for, trajectory_fit
from sciml.solvers.npde._terms import parameter_names, specification
from sciml.solvers.npde._trajectory_fit import TrajectoryFit
from sciml.tasks.forecast import (
    FindsEquation,
    ForecastConfig,
    ForecastContext,
    FoundCoefficient,
    FoundEquation,
    StepperSolver,
)
from sciml.train import Examples, Recipe, TrainConfig, recipe_of, solve_columns

_UNSEEN = 1e-3  # share by which a diffusion that matters changes the shortest wave from frame to frame
_FEW = 40  # coefficients up to which windows are compared by their rollouts
_COARSE = 0.3  # share of the misfit that may come from the length of a step

_RECIPES = {
    "tiny": Recipe[NPDEConfig, ForecastConfig](
        model=NPDEConfig(windows=8, substeps=2),
        task=ForecastConfig(history=4),
        train=TrainConfig(steps=4, batch_size=64, learning_rate=2e-2, weight_decay=0.0, evaluate_every=1),
        baselines=("persistence", "linear"),
    ),
    "small": Recipe[NPDEConfig, ForecastConfig](
        model=NPDEConfig(windows=16),
        task=ForecastConfig(history=8),
        train=TrainConfig(steps=6, batch_size=64, learning_rate=1e-2, weight_decay=0.0, evaluate_every=1),
        baselines=("persistence", "linear"),
    ),
    "paper": Recipe[NPDEConfig, ForecastConfig](
        model=NPDEConfig(windows=64, iterations=50, substeps=8),
        task=ForecastConfig(history=8),
        train=TrainConfig(steps=10, batch_size=64, learning_rate=1e-2, weight_decay=0.0, evaluate_every=1),
        baselines=("persistence", "linear"),
    ),
}


class NPDESolver(StepperSolver[NPDEConfig, Forecaster], FindsEquation):
    """Forecasts by a network that is a PDE: its weights are the coefficients of terms, which the run reports."""

    key = "npde"
    title = "NPDE"
    citation = (
        "the construction of Guo, Huang, Xu, Partial Differential Equations is All You Need for Generating Neural "
        "Architectures, arXiv:2103.08313; pseudo-inverse learning: Guo, Lyu, Neurocomputing 56 (2004), "
        "doi:10.1016/S0925-2312(03)00385-0"
    )
    claim = (
        "where the terms contain the truth, rollouts outside the training distribution have a lower error than those "
        "of U-Net and FNO with a tenth of the parameters"
    )
    rule = NPDERule

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasTrajectories` on one to three axes, with one time step for all of them."""
        support = super().supports(problem)
        if support.ok and problem.time_step is not None:
            return Support(False, "its time step differs between trajectories, and the scheme of this network has one")
        return support

    def recipe(self, preset: str) -> Recipe[NPDEConfig, ForecastConfig]:
        """Larger presets see longer windows."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: HasTrajectories, model: NPDEConfig, context: ForecastContext) -> Forecaster:
        """The equation between standardised frames.

        Raises: ConfigError for masked cells, axes in degrees, several strides, or terms that cannot be read.
        """
        if context.active is not None:
            raise ConfigError("solver 'npde' has no stencils at the edge of masked cells", got="data with a mask",
                              fix="Take sinenet, unet or linear.")  # fmt: skip
        if context.strides != (1,):
            raise ConfigError("solver 'npde' takes one time step", got=f"task.strides={list(context.strides)}",
                              expected="task.strides=[1]")  # fmt: skip
        if curved := [axis.name for axis in context.grid.axes if axis.units.startswith("degree")]:
            raise ConfigError("solver 'npde' has stencils on straight axes", got=f"{', '.join(curved)} in degrees",
                              fix="Take sinenet, unet or fno, which do not know what an axis means.")  # fmt: skip
        spec = specification(problem, model, context)
        names = parameter_names(spec)
        return Forecaster(
            NPDEConv(spec), history=context.history, statistics=context.statistics, names=names, settings=model
        )

    def loss(self, module: Stepper[Forecaster], batch: WindowBatch, along: float = 1.0) -> Tensor:
        """Mean square of a rollout from the first frame of every window, in standard deviations of the fields."""
        forecaster, frames = module.network, frames_of(batch)
        fields = forecaster.given(batch.parameters)
        predicted = forecaster.equation.rollout(frames[:, 0], frames.shape[1] - 1, parameters=fields)
        scale = forecaster.field_std.view(-1, *[1] * (frames.ndim - 3))
        return ((predicted - frames[:, 1:]) / scale).square().mean().float() + forecaster.equation.roughness().float()

    def step_rule(
        self, module: Stepper[Forecaster], examples: Examples[WindowBatch], config: TrainConfig, seed: int = 0
    ) -> NPDERule | None:
        """The rule of ``model.method``."""
        return rule_for(module, module.network.settings, examples, config, seed)

    def equation(self, module: Stepper[Forecaster], examples: Examples[WindowBatch]) -> FoundEquation:
        """Coefficients with their terms, units and intervals."""
        network, settings = module.network.equation, module.network.settings
        fitted = network.coefficients()
        intervals = self._intervals(module, examples) if settings.intervals else {}
        rows = []
        for name in trainable_numbers(network):
            entry = fitted[name]
            value = float(entry.value)
            ends = intervals.get(name)
            at_bound = _is_at(value, entry.lower, entry.upper) or _is_unseen(network, name, value)
            rows.append(FoundCoefficient(
                name, _term(network, name), value, entry.units, ends.low if ends else None,
                ends.high if ends else None, at_bound,
            ))  # fmt: skip
        notes = [str(network.stability_report()), *unresolved(trajectory_fit(module, settings, examples))]
        if ends := [axis.name for axis in network.spec.axes if axis.boundary != "periodic"]:
            notes.append(
                f"Beyond the ends of {', '.join(ends)} stands what model.wall={settings.wall} says, in forecasts too; "
                "cells near them are left out of the fit."
            )
        return FoundEquation(
            equations=as_text(network.to_sympy()),
            coefficients=tuple(rows),
            intervals=f"Jackknife over {GROUPS} groups of training windows at most; a bias by missing terms or coarse "
            "grids is not part of it." if intervals else "",
            notes=tuple(notes),
        )  # fmt: skip

    def _intervals(self, module: Stepper[Forecaster], examples: Examples[WindowBatch]) -> dict[str, Interval]:
        settings, equation = module.network.settings, module.network.equation
        names = trainable_numbers(equation)
        if settings.method == "pil" or len(names) > _FEW:
            batch = chosen_windows(examples, max(settings.windows, 8 * GROUPS))
            per_window = [rows_of(module, settings, batch.rows(slice(i, i + 1))) for i in range(len(batch))]

            def solve(kept: Tensor) -> dict[str, float]:
                table = torch.cat([per_window[int(i)] for i in kept])
                table = torch.linalg.qr(table, mode="r").R
                return dict(zip(names, solve_columns(table, settings.ridge, settings.threshold).tolist(), strict=True))

            whole = {name: float(equation.coefficients()[name].value) for name in names}
            return jackknife(whole, solve, len(batch))
        fit = trajectory_fit(copy.deepcopy(module), settings, examples)
        return jackknifed(equation, fit, settings.iterations)


@torch.no_grad()
def unresolved(fit: TrajectoryFit) -> tuple[str, ...]:
    """What to say where the time step is so long that coefficients were fitted to what it does wrong; nothing else.

    Forecasts of the windows of a fit are compared with those of steps half as long.
    """
    network, start, steps = fit.network, fit.frames[:, 0], fit.frames.shape[1] - 1
    if not isinstance(network, NPDEConv):
        return ()
    finer = NPDEConv(network.spec.model_copy(update={"substeps": 2 * network.spec.substeps})).to(start.device)
    numbers = network.values.numbers()
    finer.values.assign({name: numbers[name] for name in network.values.free})
    scale = fit.frames.transpose(1, 2).flatten(2).std((0, 2)).clamp_min(1e-12).view(-1, *[1] * (start.ndim - 2))
    coarse, fine = (net.rollout(start, steps, parameters=fit.parameters) for net in (network, finer))
    changed, missed = (float(((coarse - other) / scale).square().mean().sqrt()) for other in (fine, fit.frames[:, 1:]))
    if not changed > _COARSE * missed:  # what is no number is told of elsewhere
        return ()
    return (
        f"Steps half as long change forecasts by {changed:.2g} standard deviations, and these miss the training frames "
        f"by {missed:.2g}: coefficients make up for the scheme. Raise model.substeps ({network.spec.substeps}).",
    )


def _is_at(value: float, low: float | None, high: float | None) -> str:
    """Whether a coefficient was stopped by what keeps the scheme stable."""
    if high is not None and value > high - 1e-3 * abs(high):
        return "at its upper bound: raise model.substeps"
    if low is not None and high is not None and value < low + 1e-5 * (high - low):
        return "at its lower bound" + ("" if low == 0 else ": raise model.substeps")
    return ""


def _is_unseen(network: NPDEConv, name: str, value: float) -> str:
    """Whether a diffusion, which cannot be negative, is too small to change any wave of the grid in a frame."""
    spec = network.spec
    terms = [term for term in spec.terms if term.coefficient == name and isinstance(term, Diffusion)]
    fastest = max(
        ((4 / spec.axes[i].spacing ** 2) ** (term.order // 2) for term in terms for i in spec.axes_of(term)),
        default=0.0,
    )
    return "at its lower bound" if terms and abs(value) * spec.dt * fastest < _UNSEEN else ""


def _term(network: NPDEConv, name: str) -> str:
    """What a coefficient multiplies, as text."""
    spec = network.spec
    alone = spec.model_copy(update={"terms": tuple(term for term in spec.terms if term.coefficient == name)})
    target = alone.terms[0].target
    (line,) = as_text({target: equations_of(alone, {name: torch.ones(())})[target]})
    return line.partition(" = ")[2]
