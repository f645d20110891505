"""Trajectories that end in one of two ways, are summed up in a few numbers, or must obey constraints: their scores."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.capabilities import Evolves, HasConstraints, HasDerivedQuantities, HasOutcome
from sciml.core.problem import Field, Parameter, Problem
from sciml.core.rng import generator
from sciml.core.status import Status
from sciml.core.types import Grid, Params, Prediction
from sciml.tasks._labels import Labelled
from sciml.tasks._no_space import status_of


def named_parameters(problem: Problem, parameters: Float[Tensor, "sample parameter"]) -> Params:
    """Float64 columns by name."""
    names = [entry.name for entry in problem.parameters]
    return dict(zip(names, parameters.double().unbind(1), strict=True))


def chance_of(problem: HasOutcome, prediction: Prediction, params: Params) -> Float[Tensor, " sample"]:
    """The chance of the outcome that the solver states (``chance`` among its statistics), else that of its states."""
    stated = prediction.stats.get("chance")
    return problem.chance(prediction.mean.double(), params) if stated is None else stated.double()


def outcome_scores(
    problem: Problem, prediction: Prediction, true: Float[Tensor, "sample time channel"], params: Params
) -> dict[str, float]:
    """``outcome/accuracy`` and, where both outcomes occur, ``outcome/auc``; empty if the problem has no outcome.

    A prediction that failed or is not finite says neither: it is wrong, and ranks as undecided.
    """
    if not isinstance(problem, HasOutcome):
        return {}
    chance = torch.where(_succeeded(prediction), chance_of(problem, prediction, params), torch.nan)
    happened = problem.chance(true.double(), params) > 0.5
    right = ((chance > 0.5) == happened) & chance.isfinite()
    scores = {"outcome/accuracy": float(right.double().mean())}
    area = area_under_curve(chance.nan_to_num(nan=0.5), happened)
    return scores if area is None else scores | {"outcome/auc": area}


def _succeeded(prediction: Prediction) -> Bool[Tensor, " sample"]:
    return status_of(prediction).to(prediction.mean.device) == Status.OK


def area_under_curve(scores: Float[Tensor, " sample"], positive: Bool[Tensor, " sample"]) -> float | None:
    """Share of pairs (positive, negative) with the higher score on the positive side, ties half; None without pairs."""
    high, low = scores[positive], scores[~positive]
    if not len(high) or not len(low):
        return None
    return float(((high[:, None] > low) + 0.5 * (high[:, None] == low)).double().mean())


def stated_quantities(
    problem: Problem, times: Float[Tensor, " time"], states: Float[Tensor, "sample time channel"], params: Params
) -> dict[str, Float[Tensor, " sample"]]:
    """What a solver that follows the trajectory itself states among its statistics: ``summary/<name>``.

    Arguments:
        problem: whose quantities; without any the answer is empty.
        times, states: all that the solver knows of the trajectory, not only what was asked for.
        params: of the samples.
    """
    if not isinstance(problem, HasDerivedQuantities):
        return {}
    values = problem.derived_values(times.double(), states.double(), params)
    return {f"summary/{name}": value for name, value in values.items()}


def derived_of(
    problem: Problem, times: Float[Tensor, " time"], prediction: Prediction, params: Params
) -> dict[str, Float[Tensor, " sample"]]:
    """The problem's derived quantities: as the solver states them (``summary/<name>`` of its statistics), else computed
    from its states at the times asked for.

    Stored results call them ``summary``: the key of records, the prefix and the role of variables in files.
    """
    if not isinstance(problem, HasDerivedQuantities):
        return {}
    computed = problem.derived_values(times.double(), prediction.mean.double(), params)
    return {name: prediction.stats.get(f"summary/{name}", value).double() for name, value in computed.items()}


def derived_scores(
    problem: Problem,
    times: Float[Tensor, " time"],
    prediction: Prediction,
    true: Prediction,
    params: Params,
) -> dict[str, float]:
    """``summary/<name>`` and ``compared/<name>``: the mean absolute error in the quantity's units, and over how many.

    Compared are samples that have the quantity in truth and in prediction: there is no error of the delay of a case
    that never ignites, or is predicted never to. Where there is none to compare, the error is left out.
    """
    truth = derived_of(problem, times, true, params)
    scores: dict[str, float] = {}
    for name, values in derived_of(problem, times, prediction, params).items():
        both = values.isfinite() & truth[name].isfinite() & _succeeded(prediction)
        if both.any():
            scores[f"summary/{name}"] = float((values - truth[name])[both].abs().mean())
        scores[f"compared/{name}"] = float(both.sum())
    return scores


def labelled_derived(problem: Problem, quantities: Mapping[str, Tensor]) -> Labelled:
    """One variable ``summary_<name>`` on ``sample`` per quantity, with units."""
    entries = (
        {entry.name: entry for entry in problem.derived_quantities} if isinstance(problem, HasDerivedQuantities) else {}
    )
    return {
        f"summary_{name}": ("sample", values.numpy(), {**_words(entries[name]), "role": "summary"})
        for name, values in quantities.items()
    }


def labelled_chance(problem: Problem, prediction: Prediction, params: Params) -> Labelled:
    """The variable ``chance`` on ``sample``; nothing where there is no outcome."""
    if not isinstance(problem, HasOutcome):
        return {}
    chance = chance_of(problem, prediction, params).cpu().numpy()
    return {"chance": ("sample", chance, {"units": "1", "long_name": problem.outcome, "role": "outcome"})}


def map_inputs(
    problem: Problem, grid: Grid, side: int
) -> tuple[Float[Tensor, "place channel"], Float[Tensor, "place parameter"]] | None:
    """Starts and parameters on a lattice over the two axes of the outcome map, the other parameters mid-range.

    Places are numbered along the first axis first. None where the problem names no two axes.
    """
    if not isinstance(problem, HasOutcome) or not isinstance(problem, Evolves) or len(problem.outcome_axes) != 2:
        return None
    along = torch.linspace(0.0, 1.0, side, dtype=torch.float64)
    second, first = torch.meshgrid(along, along, indexing="ij")
    units = dict(zip(problem.outcome_axes, (first.flatten(), second.flatten()), strict=True))
    middle = torch.full((side * side,), 0.5, dtype=torch.float64)
    params = {entry.name: entry.at(units.get(entry.name, middle)) for entry in problem.parameters}
    rows = [{name: values[i] for name, values in params.items()} for i in range(side * side)]
    states = torch.stack([problem.initial(row, grid, generator(0, "outcome map")) for row in rows])
    return states.float(), torch.stack(list(params.values()), 1).float()


def labelled_map(
    problem: HasOutcome, parameters: Float[Tensor, "place parameter"], chance: Float[Tensor, " place"], side: int
) -> Labelled:
    """The variable ``chance_map`` on the two parameters of the map, which are its coordinates."""
    names = [entry.name for entry in problem.parameters]
    first, second = (parameters[:, names.index(name)].view(side, side) for name in problem.outcome_axes)
    entries = {entry.name: entry for entry in problem.parameters}
    x, y = problem.outcome_axes
    return {
        "chance_map": ((y, x), chance.view(side, side).numpy(), {"units": "1", "long_name": problem.outcome}),
        x: (x, first[0].numpy(), _words(entries[x])),
        y: (y, second[:, 0].numpy(), _words(entries[y])),
    }


def _words(entry: Field | Parameter) -> dict[str, str]:
    return {"units": entry.units, "long_name": entry.long_name, "symbol": entry.symbol}


def constraint_scores(
    problem: Problem, predicted: Float[Tensor, "sample time channel"], params: Params
) -> dict[str, float]:
    """``constraint/<name>``: the largest violation, NaN if a prediction is not finite; empty without constraints."""
    if not isinstance(problem, HasConstraints):
        return {}
    violations = problem.violations(predicted.double(), params)
    return {f"constraint/{name}": float(torch.amax(values)) for name, values in violations.items()}
