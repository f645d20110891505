"""Whether the first states of trajectories follow from their parameters, and whether a given one does."""

from collections.abc import Callable

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core import rng
from sciml.core.capabilities import Evolves, HasTrajectories
from sciml.core.config import Config
from sciml.core.errors import UserError
from sciml.core.tensors import TensorField
from sciml.data import Statistics

_SHARE, _SMALL = 0.05, 1e-3
"""Of a function of the parameters: most that is left unexplained, as a share of what the first states differ by, or of
what the field does altogether."""
_SLACK, _ROUNDING = 10.0, 1e-4
"""Of a given state: largest deviation, in the largest of the training data; and as a share of the values themselves."""
_MANY = 3
"""Samples per coefficient from which on products of parameters are fitted too."""
_TRIED = 8
"""Training samples at which a problem's own first states are compared with the stored ones."""


class StartRule(Config):
    """First states as a function of the parameters: the problem's own, or a polynomial of the second degree.

    Of what learns from parameters alone it says which first states its answers are for. The problem's own function is
    known after `of` alone.
    """

    fields: tuple[str, ...]
    """Names of the components."""
    time: float
    """When trajectories begin."""
    middle: TensorField
    """Mean of each parameter."""
    width: TensorField
    """Largest distance from it."""
    weights: TensorField
    """Of the terms, ``term component``; none where the problem states the function."""
    stated: bool = False
    """Whether the problem makes them from the parameters alone."""
    slack: TensorField
    """How far a first state may be from the function, by component."""

    _initial: Callable[[Tensor], Tensor] | None = pydantic.PrivateAttr(default=None)

    def of(self, problem: HasTrajectories) -> "StartRule":
        """The same rule, with the problem's own function where that is it."""
        if self.stated and isinstance(problem, Evolves):
            self._initial = _own_starts(problem)
        return self

    def check(
        self,
        state: Float[Tensor, "batch channel"],
        parameters: Float[Tensor, "batch parameter"],
        times: Float[Tensor, " time"],
    ) -> None:
        """Refuse first states that trajectories of these parameters do not have.

        With parameters outside of those of the training data a polynomial says nothing, and nothing is refused.

        Arguments:
            state: at the first of `times`.
            parameters: of the same samples.
            times: by the clock.

        Raises: UserError naming field, sample and values.
        """
        if abs(float(times[0]) - self.time) > _SMALL * float(times[-1] - times[0]):
            raise UserError(
                "this solver learned trajectories from their beginning on, as functions of the parameters alone",
                got=f"a first state at time {float(times[0]):g}",
                expected=f"a first state at time {self.time:g}",
                fix="Begin there, or train with model.use_start=true, or use a solver that follows the state.",
            )
        if self.stated:
            if self._initial is None:
                return
            expected = self._initial(parameters.double().cpu())
            known = torch.ones(len(expected), dtype=torch.bool)
        else:
            away = (parameters.double().cpu() - self.middle) / self.width
            expected = _terms(away, len(self.weights)) @ self.weights
            known = (away.abs() <= 1 + _SMALL).all(1) | (len(self.weights) == 1)
        off = (state.double().cpu() - expected).abs() > self.slack + _ROUNDING * expected.abs()
        if (off & known[:, None]).any():
            sample, channel = (off & known[:, None]).nonzero()[0].tolist()
            raise UserError(
                "this solver learned trajectories as functions of the parameters alone; it does not read another start",
                got=f"{self.fields[channel]} = {float(state[sample, channel]):.6g} in sample {sample}",
                expected=f"{float(expected[sample, channel]):.6g} for its parameters",
                fix="Train on data with other starts and model.use_start=true, or use a solver that follows the state.",
            )


def start_rule(
    fields: tuple[str, ...],
    states: Float[Tensor, "sample channel"],
    parameters: Float[Tensor, "sample parameter"],
    statistics: Statistics,
    time: float,
) -> StartRule | None:
    """The function that gives the first states; None where they are no function of the parameters.

    Arguments:
        fields: names of the components.
        states: first states.
        parameters: of the same samples.
        statistics: of the training data.
        time: when trajectories begin.
    """
    y, p = states.double(), parameters.double()
    spread = y.std(0, correction=0)
    middle = p.mean(0)
    width = (p - middle).abs().amax(0) if len(p) else torch.zeros_like(middle)
    width = torch.where(width > 0, width, 1.0)
    constant = bool((spread <= 1e-6 * (y.abs().amax(0) + statistics.field_std)).all())
    count = 1 if constant else _degree(len(y), p.shape[1])
    terms = _terms((p - middle) / width, count)
    weights = torch.linalg.lstsq(terms, y).solution
    rest = (y - terms @ weights).abs()
    allowed = torch.maximum(_SHARE * spread, _SMALL * statistics.field_std.double())
    if (rest.square().mean(0).sqrt() > allowed).any():
        return None
    slack = torch.maximum(_SLACK * rest.amax(0), 1e-6 * statistics.field_std.double())
    return StartRule(fields=fields, time=time, middle=middle, width=width, weights=weights, slack=slack)


def stated_rule(
    problem: HasTrajectories,
    states: Float[Tensor, "sample channel"],
    parameters: Float[Tensor, "sample parameter"],
    statistics: Statistics,
    time: float,
) -> StartRule | None:
    """The problem's own first states as the rule; None where chance has a part in them, or they are not those stored.

    Arguments: as of `start_rule`.
    """
    if not isinstance(problem, Evolves) or not len(states) or not parameters.shape[1]:
        return None
    y, p = states[:_TRIED].double(), parameters[:_TRIED].double()
    made, again = (_own_starts(problem, seed)(p) for seed in (0, 1))
    off = (made - y).abs()
    near = off <= _SMALL * statistics.field_std.double() + _ROUNDING * made.abs()
    if not torch.equal(made, again) or not bool(near.all()):
        return None
    return StartRule(
        fields=tuple(field.name for field in problem.fields),
        time=time,
        middle=p.mean(0),
        width=torch.ones_like(p[0]),
        weights=torch.zeros(0, y.shape[1], dtype=torch.float64),
        stated=True,
        slack=torch.maximum(_SLACK * off.amax(0), 1e-6 * statistics.field_std.double()),
    ).of(problem)


def _own_starts(problem: Evolves, seed: int = 0) -> Callable[[Tensor], Tensor]:
    """Physical parameters ``sample parameter`` to the problem's first states without axes, ``sample channel``."""
    names, grid = [entry.name for entry in problem.parameters], problem.grid(())

    def states(parameters: Tensor) -> Tensor:
        rows = [dict(zip(names, row.unbind(), strict=True)) for row in parameters]
        return torch.stack([problem.initial(row, grid, rng.generator(seed, "starts")).double() for row in rows])

    return states


def _degree(samples: int, parameters: int) -> int:
    """Number of terms: of the second degree where there are samples enough."""
    square = 1 + parameters + parameters * (parameters + 1) // 2
    return square if samples >= _MANY * square else 1 + parameters


def _terms(x: Float[Tensor, "sample parameter"], count: int) -> Float[Tensor, "sample term"]:
    """1, x_i, x_i x_j: the first `count` of them."""
    rows, columns = torch.triu_indices(x.shape[1], x.shape[1])
    return torch.cat((torch.ones(len(x), 1, dtype=x.dtype), x, x[:, rows] * x[:, columns]), dim=1)[:, :count]
