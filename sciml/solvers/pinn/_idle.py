"""Settings that have no effect on a training with a recipe, such as a learning rate of Gauss-Newton."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sciml.core.ansatz import Ansatz
from sciml.core.capabilities import HasResidual
from sciml.core.domain import Condition
from sciml.core.statement import Statement
from sciml.solvers.pinn._config import PINNConfig
from sciml.tasks.collocation import CollocationConfig, stated
from sciml.train import Recipe

FULL = ("gauss_newton", "lbfgs")
"""Methods whose steps take all points."""

PINNRecipe = Recipe[PINNConfig, CollocationConfig]


def idle_reason(key: str, problem: HasResidual, recipe: PINNRecipe) -> str:
    """Why a setting changes nothing beside the others of its recipe, in words; empty where it does.

    Arguments:
        key: dotted name, ``model.optimise.damping``.
        problem: whose statement is trained on.
        recipe: with all settings applied.
    """
    if reason := _REASONS.get(key):
        return reason(recipe)
    if key not in _OF_THE_STATEMENT:
        return ""
    task = recipe.task
    return _OF_THE_STATEMENT[key](stated(problem, task.case or problem.cases[0], task.parameters), recipe)


def _first_order(recipe: PINNRecipe) -> str:
    optimise = recipe.model.optimise
    return f"{optimise.method} has no learning rate" if optimise.method in FULL and not optimise.warm else ""


def _of(method: str) -> Callable[[PINNRecipe], str]:
    def reason(recipe: PINNRecipe) -> str:
        chosen = recipe.model.optimise.method
        return "" if chosen == method else f"it is a setting of {method}, and the method is {chosen}"

    return reason


def _engine(recipe: PINNRecipe) -> str:
    model = recipe.model
    used = model.optimise.method != "gauss_newton" or model.optimise.warm or model.weigh.balance not in ("none", "ntk")
    return "" if used or model.optimise.engine == "taylor" else "gauss_newton is always in Taylor mode"


def _compile(recipe: PINNRecipe) -> str:
    if recipe.model.optimise.engine != "traced":
        return "" if not recipe.model.optimise.compile else "only engine=traced is compiled"
    return _engine(recipe)


def _warm(recipe: PINNRecipe) -> str:
    return "the method is adam already" if recipe.model.optimise.method == "adam" else ""


def _sigma(recipe: PINNRecipe) -> str:
    return "" if recipe.model.embedding.fourier else "there are no Fourier features (model.embedding.fourier=0)"


def _balanced(recipe: PINNRecipe) -> str:
    return "weights are not balanced (model.weigh.balance=none)" if recipe.model.weigh.balance == "none" else ""


def _chunks(recipe: PINNRecipe) -> str:
    return "" if recipe.model.weigh.causal else "there are no causal weights (model.weigh.causal=0)"


def _adapted(*kinds: str) -> Callable[[PINNRecipe], str]:
    def reason(recipe: PINNRecipe) -> str:
        adapt = recipe.model.adapt
        if adapt.kind == "none":
            return "points do not follow the residual (model.adapt.kind=none)"
        return "" if adapt.kind in kinds else f"model.adapt.kind={adapt.kind} does not read it"

    return reason


def _kind(recipe: PINNRecipe) -> str:
    adapt, steps = recipe.model.adapt, recipe.train.steps
    if adapt.kind == "none":
        return ""
    if recipe.task.resample:
        return "every step draws new points (task.resample=true)"
    late = f"points change every {adapt.every} steps (model.adapt.every), and there are {steps}"
    return late if adapt.every >= steps else ""


def _layered(recipe: PINNRecipe) -> str:
    return "model.widths gives all layers" if recipe.model.widths else ""


def _batch_size(recipe: PINNRecipe) -> str:
    model = recipe.model
    if recipe.task.resample:
        return ""
    if model.adapt.kind != "none":
        return "points that follow the residual are taken all at once"
    whole = model.optimise.method in FULL and not model.optimise.warm
    return f"{model.optimise.method} takes all points at every step (task.points)" if whole else ""


_REASONS: Mapping[str, Callable[[PINNRecipe], str]] = {
    **{f"model.optimise.{name}": _first_order for name in ("learning_rate", "decay", "decay_steps")},
    **{f"model.optimise.{name}": _of("gauss_newton") for name in ("damping", "solve", "accelerated")},
    "model.optimise.history": _of("lbfgs"),
    "model.optimise.engine": _engine,
    "model.optimise.compile": _compile,
    "model.optimise.warm": _warm,
    "model.embedding.sigma": _sigma,
    "model.weigh.balance_every": _balanced,
    "model.weigh.chunks": _chunks,
    "model.adapt.kind": _kind,
    **{f"model.adapt.{name}": _adapted("rad", "rar_g", "rar_d") for name in ("every", "pool")},
    "model.adapt.add": _adapted("rar_g", "rar_d"),
    **{f"model.adapt.{name}": _adapted("rad", "rar_d") for name in ("power", "floor")},
    **{f"model.{name}": _layered for name in ("width", "layers")},
    "train.batch_size": _batch_size,
}


def _harmonics(statement: Statement, recipe: PINNRecipe) -> str:
    return "" if any(axis.periodic for axis in statement.domain.axes) else "no axis is periodic"


def _causal(statement: Statement, recipe: PINNRecipe) -> str:
    return "" if statement.domain.time or not recipe.model.weigh.causal else "the statement has no axis of time"


def _onset(statement: Statement, recipe: PINNRecipe) -> str:
    ansatz, time = Ansatz(statement, hard=recipe.model.hard), statement.domain.time
    starts = [c for i in ansatz.exact if isinstance(c := statement.conditions[i], Condition) and c.axis == time]
    return "" if starts else "no initial condition is built in"


def _soft(statement: Statement, recipe: PINNRecipe) -> str:
    if statement.observed or recipe.task.observations is not None or recipe.model.weigh.balance != "none":
        return ""
    is_built_in = not Ansatz(statement, hard=recipe.model.hard).soft
    return "all conditions are built in, and nothing is observed" if is_built_in else ""


def _face_points(statement: Statement, recipe: PINNRecipe) -> str:
    if len(statement.names) == 1:
        return "in one dimension a face is a point"
    return "" if Ansatz(statement, hard=recipe.model.hard).soft else "all conditions are built in"


_OF_THE_STATEMENT: Mapping[str, Callable[[Statement, PINNRecipe], str]] = {
    "model.embedding.harmonics": _harmonics,
    "model.onset": _onset,
    "model.weigh.causal": _causal,
    "model.weigh.soft": _soft,
    "task.face_points": _face_points,
}
