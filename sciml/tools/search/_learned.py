"""What is known of the costs of a space: measured networks, the predictor learned from them, and how good it is."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.tools._contract import FindingsFigure, FindingsTable, Subject
from sciml.tools.search._config import MeasureConfig
from sciml.tools.search._pick import extreme
from sciml.tools.search._predictor import Accuracy, CostPredictor, assess, fit_predictor
from sciml.tools.search._table import CostTable, Quantity, check_table, digest, make_table, measure
from sciml.train import Choice, Choices, Space, space_of

SCALES: dict[Quantity, tuple[float, str]] = {
    "latency": (1e3, "ms"), "flops": (1e-6, "MFLOPs"), "memory": (2**-20, "MiB"), "energy": (1e3, "mJ"),
}  # fmt: skip
"""For people: factor and unit."""


class Learned(NamedTuple):
    """Costs of a space.

    Fields:
        space: that is searched.
        table: measured networks.
        predictor: from all of them.
        accuracy: of one from four fifths of them.
        unit: their mean cost.
    """

    space: Space
    table: CostTable
    predictor: CostPredictor
    accuracy: Accuracy
    unit: float

    def cost(self, choices: Choices) -> float:
        """Predicted."""
        return float(self.predictor(self.space.encode(choices)[None])[0])

    def predict(self, codes: Float[Tensor, "net entry"]) -> Float[Tensor, " net"]:
        """Costs of codes, without gradients."""
        with torch.no_grad():
            return self.predictor(codes)

    def said(self, cost: float) -> str:
        """A cost in words."""
        factor, unit = SCALES[self.table.quantity]
        return f"{factor * cost:.3g} {unit}"

    def measured(self, subject: Subject, nets: list[Choices], config: MeasureConfig, seed: int) -> list[float]:
        """Costs of a few networks now, in the measure of the table: as its own network costs there."""
        kept = measure(subject, self.space, nets, self.table.quantity, patience=4 * config.patience, seed=seed)
        return [cost * self.table.anchor / kept.anchor for cost in kept.costs]


def searched_space(subject: Subject, config: MeasureConfig) -> Space:
    """The solver's space with the choices that are allowed, and one network in it at least.

    Raises:
        UnsupportedError: the solver offers none for this recipe, or nothing is left of it.
    """
    space = space_of(subject.solver, subject.problem, subject.recipe.model, subject.context)
    space = space.narrowed(config.choices)
    space.sample(torch.Generator().manual_seed(0))
    return space


def learn(subject: Subject, config: MeasureConfig, seed: int, given: CostTable | None = None) -> Learned:
    """Measure networks, or take those of a file, and learn from them.

    A file is checked against the whole space of the solver; its networks with choices that are not allowed teach the
    predictor as the others do.

    Raises:
        UserError: a file of something else than what is searched here.
    """
    space = searched_space(subject, config)
    whole = space_of(subject.solver, subject.problem, subject.recipe.model, subject.context)
    if given is None:
        text = subject.keep("costs", lambda: _table(subject, space, config, seed).model_dump_json())
        table = CostTable.model_validate_json(text)
    else:
        table = given
        same = table.space == digest(subject, space)
        check_table(table, subject, space if same else whole, config.cost)
        table = table if same else _within(table, whole, space)
    codes, costs = table.codes(space), torch.tensor(table.costs, dtype=torch.float64)
    accuracy = assess(codes, costs, torch.tensor(table.flops, dtype=torch.float64), seed=seed)
    return Learned(space, table, fit_predictor(codes, costs, seed=seed), accuracy, float(costs.mean()))


def _table(subject: Subject, space: Space, config: MeasureConfig, seed: int) -> CostTable:
    return make_table(subject, space, config.cost, nets=config.nets, patience=config.patience, seed=seed)


def _within(table: CostTable, whole: Space, space: Space) -> CostTable:
    """The rows of a table whose choices are allowed. Raises UserError where too few are left to learn from."""
    if whole.slots == space.slots:
        return table
    kept, nets = [], []
    for row, chosen in enumerate(table.choices(whole)):
        if all(chosen[slot.name] in slot.choices for slot in space.slots if whole.exists(slot, chosen)):
            kept.append(row)
            nets.append(space.canonical({s.name: _offered(s.choices, chosen[s.name]) for s in space.slots}))
    if len(kept) < 10:
        raise UserError("a latency file has too few networks with the choices that are allowed",
                        got=f"{len(kept)} of {len(table.nets)}", expected="at least 10",
                        fix="Leave out the file, so that such networks are measured.")  # fmt: skip
    return table.model_copy(
        update={
            "nets": tuple(tuple(s.choices.index(one[s.name]) for s in space.slots) for one in nets),
            "slots": {slot.name: slot.choices for slot in space.slots},
            **{name: tuple(getattr(table, name)[row] for row in kept) for name in ("costs", "spreads", "flops")},
        }
    )


def _offered(choices: tuple[Choice, ...], choice: Choice) -> Choice:
    """The choice, or the first one for a slot that does not exist."""
    return choice if choice in choices else choices[0]


def check_target(learned: Learned, subject: Subject, target: float, config: MeasureConfig, seed: int) -> None:
    """Refuse a target that no network of the space meets.

    The networks that are predicted to cost least and most are measured.

    Raises:
        UserError: with the cost of the smallest, or of the largest, network.
    """
    ends = [extreme(learned.space, learned.predict, sign=sign, seed=seed) for sign in (1.0, -1.0)]
    low, high = learned.measured(subject, list(ends), config, seed)
    low, high = min(low, *learned.table.costs), max(high, *learned.table.costs)
    if not low <= target <= high:
        least = target < low
        raise UserError(
            f"the target is {'below the smallest' if least else 'above the largest'} network of the search space",
            got=learned.said(target),
            expected=f"{learned.said(low)} to {learned.said(high)}, as measured here",
            fix="Ask for more, or allow smaller choices." if least else "Leave out the target.",
        )


def accuracy_table(learned: Learned) -> FindingsTable:
    """The predictor beside what one would do without it."""
    accuracy = learned.accuracy
    floor = sum(learned.table.spreads) / len(learned.table.spreads)
    rows: list[tuple[str | float, ...]] = [
        ("table of choices and network", 100 * accuracy.error),
        ("table of choices alone", 100 * accuracy.additive),
        ("FLOPs alone", 100 * accuracy.flops),
        ("repeat error of the measurement", 100 * floor),
    ]
    return FindingsTable(f"Prediction of the {learned.table.quantity} of held-out networks",
                         ("from", "mean relative error [%]"), tuple(rows), "mean relative error [%]")  # fmt: skip


def accuracy_figure(learned: Learned) -> FindingsFigure:
    """Predicted against measured."""
    factor, unit = SCALES[learned.table.quantity]
    accuracy, name = learned.accuracy, learned.table.quantity
    measured = tuple(factor * cost for cost in accuracy.measured)
    ends = (min(measured), max(measured))
    return FindingsFigure(
        f"{name.capitalize()} predicted and measured",
        f"measured [{unit}]",
        f"predicted [{unit}]",
        {"exact": (ends, ends), "held out": (measured, tuple(factor * cost for cost in accuracy.predicted))},
        points=("held out",),
        log=("x", "y"),
        caption=f"{accuracy.nets} networks that the predictor was not fitted to; Kendall's tau {accuracy.tau:.2f}.",
    )


def accuracy_metrics(learned: Learned) -> dict[str, float]:
    """Numbers of the predictor."""
    accuracy = learned.accuracy
    return {
        "nets": float(len(learned.table.nets)),
        "predictor_error": accuracy.error,
        "predictor_tau": accuracy.tau,
        "additive_error": accuracy.additive,
        "flops_error": accuracy.flops,
        "repeat_error": sum(learned.table.spreads) / len(learned.table.spreads),
    }
