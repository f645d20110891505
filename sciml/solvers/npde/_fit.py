"""A network of one's own fitted to arrays: the step rules of the solver under the one trainer."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.errors import UnknownNameError, UserError
from sciml.data import Batch
from sciml.models.npde import NPDE, FittedCoefficient, regression_rows, trainable_numbers
from sciml.solvers.npde._config import Method
from sciml.solvers.npde._intervals import Interval, jackknife
from sciml.solvers.npde._one_step import information
from sciml.solvers.npde._rules import TrajectoryRule
from sciml.solvers.npde._trajectory_fit import Gradient, TrajectoryFit
from sciml.train import LeastSquaresRule, Phases, StepRule, TrainConfig, Trainer

METHODS: tuple[Method, ...] = ("pil_lbfgs", "pil", "lbfgs", "adam")


@dataclass(frozen=True)
class Courses(Batch):
    """Trajectories.

    Arguments:
        frames: one step apart.
        parameters: numbers given with the trajectories, in the order of `names`.
        names: of these.
    """

    frames: Float[Tensor, "batch time channel *space"]
    parameters: Float[Tensor, "batch parameter"]
    names: tuple[str, ...] = ()

    @property
    def given(self) -> dict[str, Tensor] | None:
        """The numbers by name."""
        return dict(zip(self.names, self.parameters.unbind(1), strict=True)) if self.names else None


class _Trajectories:
    """All of them as examples for the trainer."""

    def __init__(self, whole: Courses) -> None:
        self._whole = whole

    def __len__(self) -> int:
        return len(self._whole.frames)

    def batch(self, indices: Tensor, generator: torch.Generator) -> Courses:
        return Courses(self._whole.frames[indices], self._whole.parameters[indices], self._whole.names)


@dataclass(frozen=True)
class Fit:
    """What `fit` found.

    Arguments:
        coefficients: values, units and bounds by name.
        intervals: 95 % intervals of the trainable numbers; empty where they were not asked for.
        loss: mean square of what rollouts of the training trajectories miss, in standard deviations.
    """

    coefficients: Mapping[str, FittedCoefficient]
    intervals: Mapping[str, Interval]
    loss: float


def fit(
    network: NPDE,
    frames: Float[Tensor, "trajectory time channel *space"],
    *,
    method: Method = "pil_lbfgs",
    parameters: Mapping[str, Float[Tensor, " trajectory"]] | None = None,
    rounds: int = 4,
    iterations: int = 25,
    free_start: bool = True,
    gradient: Gradient = "autograd",
    smoothing: int = 0,
    ridge: float = 0.0,
    threshold: float = 0.0,
    learning_rate: float = 0.02,
    adam_steps: int = 400,
    intervals: bool = False,
    seed: int = 0,
) -> Fit:
    """Fit the coefficients of a network to trajectories, in place.

    Arguments:
        network: from `sciml.models.npde.generate`, with trainable coefficients.
        frames: trajectories whose frames are one step of the network apart.
        method: ``pil_lbfgs``, the default: the pseudo-inverse, then whole trajectories by L-BFGS; or one of its parts,
            or ``adam``.
        parameters: numbers given with the trajectories.
        rounds, iterations, free_start, gradient: of L-BFGS; ``adjoint`` for long trajectories.
        smoothing, ridge, threshold: of the pseudo-inverse; a threshold makes it sparse regression.
        learning_rate, adam_steps: of Adam, whose first frames are the data's.
        intervals: whether to refit without groups of trajectories for 95 % intervals.
        seed: of Adam's batches.

    Raises: UserError for an unknown method, frames that are not finite, complex fields, or a network without trainable
        numbers.
    """
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    if frames.is_complex() or network.spec.dtype == "complex":
        raise UserError("coefficients are fitted to real fields",
                        got=f"frames of {frames.dtype}, a specification with dtype={network.spec.dtype!r}",
                        fix="State real and imaginary parts as two fields of a real specification.")  # fmt: skip
    if not bool(frames.isfinite().all()) or frames.ndim < 4 or frames.shape[1] < 2:
        raise UserError("frames cannot be fitted to", got=f"shape {tuple(frames.shape)}, "
                        f"{int((~frames.isfinite()).sum())} values that are not finite",
                        expected="finite values, (trajectory, time, channel, *space), two frames or more")  # fmt: skip
    names = tuple(parameters or {})
    columns = [parameters[name] for name in names] if parameters else []
    fields = torch.stack(columns, 1).double() if columns else frames.new_zeros(len(frames), 0).double()
    whole = Courses(frames.double(), fields, names)
    scale = whole.frames.transpose(1, 2).flatten(2).transpose(0, 1).flatten(1).std(1).clamp_min(1e-12)
    trajectories = TrajectoryFit(
        network, whole.frames, scale, parameters=whole.given, free_start=free_start, gradient=gradient
    )
    steps = {"pil": 1, "lbfgs": rounds, "pil_lbfgs": 1 + rounds, "adam": adam_steps}[method]
    config = TrainConfig(
        steps=steps, batch_size=max(1, len(frames)), learning_rate=learning_rate, weight_decay=0.0, clip=None,
        evaluate_every=1 if method != "adam" else max(1, adam_steps // 10), checkpoint_every=steps,
    )  # fmt: skip

    def rows(batch: Courses) -> Tensor:
        return regression_rows(network, batch.frames, parameters=batch.given, smoothing=smoothing, weights=1 / scale)

    def assign(solution: Tensor) -> None:
        network.values.assign(dict(zip(trainable_numbers(network), solution, strict=True)))

    solve: StepRule[Courses] = LeastSquaresRule(
        rows, assign, _Trajectories(whole), config, ridge=ridge, threshold=threshold
    )
    descend: StepRule[Courses] = TrajectoryRule(trajectories, iterations)
    rules = {"pil": solve, "lbfgs": descend, "pil_lbfgs": Phases([(solve, 1), (descend, rounds)])}
    fixed = TrajectoryFit(network, whole.frames, scale, parameters=whole.given, free_start=False)

    def loss(module: nn.Module, batch: Courses, along: float) -> Tensor:
        part = TrajectoryFit(network, batch.frames, scale, parameters=batch.given, free_start=False, gradient=gradient)
        return part.loss()

    def score(module: nn.Module) -> float:
        with torch.no_grad():
            value = float((trajectories if method in ("lbfgs", "pil_lbfgs") else fixed).loss())
        return value if value == value else float("inf")

    with tempfile.TemporaryDirectory() as folder:
        result = Trainer(
            network, loss, _Trajectories(whole), score, config, folder=Path(folder),
            seed=rng.derive(seed, "npde"), identity={}, rule=rules.get(method),
        ).fit()  # fmt: skip
    spread = jackknifed(network, trajectories, iterations) if intervals else {}
    return Fit(network.coefficients(), spread, result.best)


def jackknifed(network: NPDE, trajectories: TrajectoryFit, iterations: int) -> dict[str, Interval]:
    """Intervals from what the coefficients would be without some trajectories: one step of Gauss and Newton where the
    weights are numbers, refits by L-BFGS where they are fields or networks too."""
    names = trainable_numbers(network)
    whole = {name: float(network.coefficients()[name].value) for name in names}
    known = information(trajectories)

    def refit(kept: Tensor) -> dict[str, float]:
        if known is not None:
            changes = known.change(kept.to(known.slope.device)).tolist()
            return {name: whole[name] + change for name, change in zip(names, changes, strict=True)}
        part = trajectories.without(kept)
        part.round(iterations)
        return {name: float(part.network.coefficients()[name].value) for name in names}

    return jackknife(whole, refit, len(trajectories.frames))
