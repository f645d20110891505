"""Physics-based parameterised neural ODEs as a solver of trajectories, and the reduced model as it is."""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import HasOutcome, HasReducedModel
from sciml.core.errors import ConfigError
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.nn import full_precision
from sciml.solvers.pnode._calibrate import calibrate
from sciml.solvers.pnode._config import CalibrationConfig, PNODEConfig, SourceConfig, StiffConfig
from sciml.solvers.pnode._network import PNODE
from sciml.solvers.pnode._program import PNODEProgram, program_of
from sciml.solvers.pnode._unread import unread_parameters
from sciml.tasks import supports_points
from sciml.tasks.trajectories import (
    Start,
    TrajectoriesConfig,
    TrajectoriesContext,
    TrajectoriesSolver,
    TrajectoryBatch,
)
from sciml.train import Examples, Knob, Recipe, TrainConfig, recipe_of

_ALIKE = 0.1
"""Largest change of a field by twice the fixed step, in its standard deviations; more of it is no answer."""
_WHOLE = TrajectoriesConfig(window=None)
_RIVALS = ("kernel_ridge", "mlp_regression", "gaussian_process", "boosted_trees", "reduced_model")

_FEW = PNODEConfig(
    width=32,
    layers=2,
    source=SourceConfig(form="guess"),
    calibration=CalibrationConfig(points=16, rounds=4, samples=12),
    integrate=StiffConfig(rtol=1e-2, atol=1e-3),
)

_RECIPES = {
    "tiny": Recipe[PNODEConfig, TrajectoriesConfig](
        model=_FEW,
        task=_WHOLE,
        train=TrainConfig(steps=60, batch_size=12, learning_rate=5e-3, weight_decay=0.0, evaluate_every=10),
        baselines=_RIVALS,
    ),
    "small": Recipe[PNODEConfig, TrajectoriesConfig](
        model=_FEW,
        task=_WHOLE,
        train=TrainConfig(steps=120, batch_size=16, learning_rate=5e-3, weight_decay=0.0, evaluate_every=15),
        baselines=_RIVALS,
    ),
    "paper": Recipe[PNODEConfig, TrajectoriesConfig](
        model=PNODEConfig(
            calibration=CalibrationConfig(points=64, rounds=4, samples=24),
            integrate=StiffConfig(rtol=1e-4, atol=1e-5),
        ),
        task=_WHOLE,
        train=TrainConfig(
            steps=5000, batch_size=16, learning_rate=1e-3, weight_decay=0.0, evaluate_every=100, polish=5
        ),
        baselines=_RIVALS,
    ),
}


def _supports(problem: Problem) -> Support:
    if not isinstance(problem, HasReducedModel):
        return Support(False, "it has no reduced model")
    return supports_points(problem)


@torch.no_grad()
def _predict(module: PNODE, inputs: Start) -> Prediction:
    """Fields in physical units at ``inputs.times``; the chance of the outcome among the statistics if there is one."""
    module.eval()
    c = module.config.integrate
    if c.step is not None:
        return _predict_fixed(module, inputs, c.step)
    tolerance = min(c.rtol, c.predict_rtol) if inputs.tolerance is None else inputs.tolerance
    fields, solution = module(inputs.state, inputs.parameters, inputs.clock, tolerance=tolerance)
    stats = {"evaluations": solution.stats.evaluations, "calls": solution.stats.calls}
    if isinstance(module.problem, HasOutcome):
        stats["chance"] = module.problem.chance(fields, module.named(inputs.parameters.double()))
    return Prediction(fields.float(), None, solution.status, stats)


def _predict_fixed(module: PNODE, inputs: Start, step: float) -> Prediction:
    """The same by fixed steps; a sample that steps of twice the length answer otherwise has not converged."""
    if inputs.tolerance is not None:
        raise ConfigError(
            "this run predicts with fixed steps, which no tolerance chooses",
            got=f"a tolerance of {inputs.tolerance:g}, model.integrate.step={step:g}",
            expected="no tolerance",
            fix="Leave out the tolerance, or train a run without model.integrate.step.",
        )
    times = inputs.clock.double().tolist()
    with full_precision(inputs.state):  # here, for a program cannot hold it
        fields, calls = module.fixed(inputs.state, inputs.parameters, times, step)
        coarse, more = module.fixed(inputs.state, inputs.parameters, times, 2 * step)
    change = ((fields - coarse) / torch.where(module.field_std > 0, module.field_std, math.inf)).abs().flatten(1)
    status = torch.where((change <= _ALIKE).all(1), int(Status.OK), int(Status.NOT_CONVERGED))
    status = torch.where(fields.isfinite().flatten(1).all(1), status, int(Status.DIVERGED))
    calls += more
    stats: dict[str, Tensor | int] = {"evaluations": torch.full_like(status, calls), "calls": calls}
    if isinstance(module.problem, HasOutcome):
        stats["chance"] = module.problem.chance(fields, module.named(inputs.parameters.double()))
    return Prediction(fields.float(), None, status, stats)


def misfit(module: PNODE, batch: TrajectoryBatch, along: float) -> Tensor:
    """Mean over samples of `misfits`, over the horizon of the curriculum. Failed samples do not count."""
    costs = misfits(module, batch, None, module.config.curriculum.horizon(along))
    return costs[costs.isfinite()].mean().float()


def misfits(
    module: PNODE, batch: TrajectoryBatch, offsets: Mapping[str, Tensor] | None = None, horizon: float = 1.0
) -> Float[Tensor, " sample"]:
    """Mean over times and fields of weighted ρ((u - u_true) / σ), and the cross-entropy of the outcome.

    ρ is a square up to the deviation δ and linear beyond. It is infinite where the integration failed.
    """
    c = module.config
    span = batch.times - batch.times[0]
    frames = max(2, int((span <= horizon * span[-1] * (1 + 1e-6)).sum()))
    true, times = batch.states[:, :frames].double(), batch.times[:frames].double()
    if batch.since is not None and bool(batch.since.any()):
        times = batch.moments[:, :frames].double()  # a forced model asks the clock
    predicted, solution = module(batch.states[:, 0], batch.parameters, times, offsets=offsets)
    good = (solution.status == Status.OK) & predicted.detach().isfinite().flatten(1).all(1)
    error = torch.where(good[:, None, None], predicted - true, 0.0) / module.field_std
    delta = c.misfit.huber
    cost = error.square() if delta is None else 2 * F.huber_loss(error, 0 * error, reduction="none", delta=delta)
    names = [field.name for field in module.problem.fields]
    weights = cost.new_tensor([c.misfit.weights.get(name, 1.0) for name in names])
    speed = emphasis(true / module.field_std, span[:frames].double(), c.misfit.emphasis)
    total = ((cost * weights).sum(2) / weights.sum() * speed).mean(1)
    if c.misfit.outcome and isinstance(module.problem, HasOutcome) and frames == len(batch.times):
        params = module.named(batch.parameters.double())
        happened = (module.problem.chance(true, params) > 0.5).double()
        chance = module.problem.chance(torch.where(good[:, None, None], predicted, true), params).clamp(1e-7, 1 - 1e-7)
        total = total + c.misfit.outcome * F.binary_cross_entropy(chance, happened, reduction="none")
    return torch.where(good, total, math.inf)


def emphasis(
    true: Float[Tensor, "batch time channel"], times: Float[Tensor, " time"], strength: float
) -> Float[Tensor, "batch time"]:
    """1 + strength · |du/dt| / its mean over time, scaled to the mean 1; before a time the slope up to it counts."""
    speed = (true.diff(dim=1) / times.diff()[:, None]).norm(dim=2)
    speed = torch.cat((speed[:, :1], speed), dim=1)
    weight = 1 + strength * speed / speed.mean(1, keepdim=True).clamp_min(1e-30)
    return weight / weight.mean(1, keepdim=True)


class PNODESolver(TrajectoriesSolver[HasReducedModel, PNODEConfig, PNODE]):
    """Trajectories by a reduced model with learned closures."""

    key = "pnode"
    title = "Physics-based parameterised neural ODE"
    citation = (
        "Qian, Wang, Douasbin, Darve, Physics-based parameterized neural ordinary differential equations: prediction "
        "of laser ignition in a rocket combustor, arXiv:2302.08629 (2023)"
    )
    claim = (
        "with few trajectories, closures learned inside of a reduced model predict mean temperatures and whether it "
        "ignites better than kernel ridge regression and a plain network do, and keep the constraints exactly"
    )
    knob = Knob("width", 2, 2**12)
    leaves_with = "with --set model.integrate.step=…, a fixed step of its predictions in the problem's unit of time"

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasTrajectories` and `HasReducedModel`, without spatial axes."""
        return _supports(problem)

    def recipe(self, preset: str) -> Recipe[PNODEConfig, TrajectoriesConfig]:
        """``tiny`` and ``small`` learn the energy of a source but not its course; the paper's sizes are not known."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: HasReducedModel, model: PNODEConfig, context: TrajectoriesContext) -> PNODE:
        """The reduced model with its networks."""
        return PNODE(model, problem, context.statistics, context.times)

    def program(self, module: PNODE) -> PNODEProgram | None:
        """With ``model.integrate.step``: start and parameters to the fields at the times of the data."""
        return program_of(module)

    def loss(self, module: PNODE, batch: TrajectoryBatch, along: float = 1.0) -> Tensor:
        """`misfit`, over the horizon of the curriculum."""
        return misfit(module, batch, along)

    def initialise(self, module: PNODE, examples: Examples[TrajectoryBatch]) -> None:
        """Look for the constants that training starts from, where asked for."""
        c = module.config.calibration
        if c.points and module.offsets:
            first = torch.arange(min(c.samples, len(examples)))
            device = module.field_std.device
            calibrate(module, examples.batch(first, torch.Generator()).to(device), misfits)

    def predict(self, module: PNODE, inputs: Start) -> Prediction:
        """Fields in physical units at ``inputs.times``, the first of which is that of the given state."""
        return _predict(module, inputs)


_UNTRAINED = {
    preset: Recipe[PNODEConfig, TrajectoriesConfig](
        model=PNODEConfig(learn=(), integrate=integrate), task=_WHOLE, train=TrainConfig(steps=0)
    )
    for preset, integrate in {
        "tiny": StiffConfig(),
        "small": StiffConfig(),
        "paper": StiffConfig(rtol=1e-4, atol=1e-5),
    }.items()
}


class ReducedModelSolver(TrajectoriesSolver[HasReducedModel, PNODEConfig, PNODE]):
    """Trajectories by the reduced model with the closures the problem guesses: what is known without data."""

    key = "reduced_model"
    title = "Reduced model"
    citation = "the problem's own reduced model"
    claim = ""
    rule = None
    leaves_with = "with --set model.integrate.step=…, a fixed step of its predictions in the problem's unit of time"

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasTrajectories` and `HasReducedModel`, without spatial axes."""
        return _supports(problem)

    def recipe(self, preset: str) -> Recipe[PNODEConfig, TrajectoriesConfig]:
        """Larger presets integrate more tightly."""
        return recipe_of(_UNTRAINED, preset)

    def unread_of(self, problem: HasReducedModel) -> Mapping[str, str]:
        """Parameters that neither the reduced model nor a guessed closure looks up."""
        return dict.fromkeys(unread_parameters(problem), "the reduced model as it is guessed does not depend on it")

    def build(self, problem: HasReducedModel, model: PNODEConfig, context: TrajectoriesContext) -> PNODE:
        """The reduced model without networks."""
        return PNODE(model.model_copy(update={"learn": ()}), problem, context.statistics, context.times)

    def program(self, module: PNODE) -> PNODEProgram | None:
        """With ``model.integrate.step``: start and parameters to the fields at the times of the data."""
        return program_of(module)

    def loss(self, module: PNODE, batch: TrajectoryBatch, along: float = 1.0) -> Tensor:
        """The misfit over the whole horizon; nothing here has a gradient."""
        return misfit(module, batch, 1.0)

    def predict(self, module: PNODE, inputs: Start) -> Prediction:
        """Fields in physical units at ``inputs.times``."""
        return _predict(module, inputs)

    def solve_closed_form(self, module: PNODE, examples: Examples[TrajectoryBatch]) -> bool:
        """Nothing is fitted."""
        return True
