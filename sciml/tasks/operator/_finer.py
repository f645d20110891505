"""Asking an operator on a lattice twice as fine as that of its training, and for functions known at other sensors.

What a network of fields learned on one lattice it can be asked on any other; a network of sensors is given its own ones
and asked at other queries. Functions that are known half a cell away from the sensors are brought to them by linear
interpolation, as somebody with data of their own would do.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml import data
from sciml.core.capabilities import AppliesOperator, MapsFunctions
from sciml.core.domain import Domain
from sciml.core.errors import UnsupportedError, UserError
from sciml.tasks._cost import predict_on
from sciml.tasks.operator._data import OperatorContext, Questions
from sciml.tasks.operator._metrics import FINER, SHIFTED, pair_errors
from sciml.tasks.operator._module import FixedOperator, Gridded, OperatorScales
from sciml.train import AnySolver


class FinerLattice:
    """New functions of the training space, on the lattice of the training and on one twice as fine.

    Arguments:
        problem: with a reference.
        card: that of the training.

    Raises: UnsupportedError for a problem without a reference, or whose sensors are no lattice.
    """

    def __init__(self, problem: MapsFunctions, card: data.PairsCard) -> None:
        if not isinstance(problem, AppliesOperator):
            raise UnsupportedError("a finer lattice needs a reference that says the truth there",
                                   got=f"problem {problem.name!r}, whose pairs were imported",
                                   fix="Leave out task.finer.")  # fmt: skip
        self.problem, self.card, sensors = problem, card, {}
        for entry in problem.inputs:
            size = card.sensors[entry.name]
            sensors[entry.name] = refined_size(entry.domain, size)
            finer = problem.sensors(entry.name, sensors[entry.name])
            if not _halved(problem.sensors(entry.name, size), finer, sensors[entry.name]):
                raise UnsupportedError(f"the sensors of {entry.name!r} are no lattice whose cells can be halved",
                                       got=f"{size} sensors",
                                       expected="three or more on every axis, evenly spaced",
                                       fix="Leave out task.finer.")  # fmt: skip
        self.fine = card.model_copy(update={"sensors": sensors, "queries": refined_size(problem.domain, card.queries)})
        problem.queries(self.fine.queries)  # refused here rather than after the training

    def scores(self, solver: AnySolver, module: nn.Module, context: OperatorContext) -> dict[str, float]:
        """The relative errors on the finer lattice, where the solver can answer there, and with shifted sensors."""
        known = data.probe_pairs(self.problem, self.card, self.card.space)
        fine = data.probe_pairs(self.problem, self.fine, self.card.space)
        shifted = Questions(self._shifted(fine.functions), known.queries)
        answer = predict_on(solver, module, shifted).mean
        scores = {SHIFTED: pair_errors(answer, known.values, aligned=True)["relative_l2"]}
        asked = self._on_fine(module, context, known, fine)
        if asked is None:
            return scores
        try:
            answer = predict_on(solver, *asked).mean
        except UserError:  # a network of fields may refuse the lattice: a U-Net cannot halve 63 points
            return scores
        return scores | {FINER: pair_errors(answer, fine.values, aligned=True)["relative_l2"]}

    def _on_fine(
        self, module: nn.Module, context: OperatorContext, known: data.Pairs, fine: data.Pairs
    ) -> tuple[nn.Module, Questions] | None:
        """What is asked which module; None where it answers at its own points only."""
        if not isinstance(module, FixedOperator):
            return module, Questions(known.functions, fine.queries)
        if not isinstance(module.network, Gridded):
            return None
        sensors = tuple(self.problem.sensors(e.name, self.fine.sensors[e.name]).double() for e in self.problem.inputs)
        there = context.model_copy(update={"sensors": sensors})
        network = Gridded(module.network.network, self.fine.queries)
        scales = OperatorScales(there, self.problem.domain).to(module.points.device)
        operator = FixedOperator(network, scales, fine.queries).to(module.points.device)
        return operator, Questions(fine.functions, fine.queries)

    def _shifted(self, functions: Float[Tensor, "function sensor"]) -> Float[Tensor, "function own"]:
        """Values at our sensors, interpolated from points half a cell away on every axis."""
        entries = [(entry.domain, self.fine.sensors[entry.name]) for entry in self.problem.inputs]
        parts = functions.split([math.prod(size) for _, size in entries], dim=1)
        return torch.cat([from_neighbours(part, *entry) for part, entry in zip(parts, entries, strict=True)], dim=1)


def _halved(ours: Float[Tensor, "sensor dim"], finer: Float[Tensor, "fine dim"], fine_size: tuple[int, ...]) -> bool:
    """Whether our sensors are every second one of the finer lattice, three or more on every axis."""
    if len(finer) != math.prod(fine_size) or min(fine_size) < 5:
        return False
    every_second = finer.unflatten(0, fine_size)[(slice(None, None, 2),) * len(fine_size)].flatten(0, -2)
    return every_second.shape == ours.shape and bool(((every_second - ours).abs() < 1e-9).all())


def refined_size(domain: Domain, size: tuple[int, ...]) -> tuple[int, ...]:
    """Points per axis of the lattice that halves every cell."""
    return tuple(2 * n if axis.periodic else 2 * n - 1 for axis, n in zip(domain.axes, size, strict=True))


def from_neighbours(
    values: Float[Tensor, "function fine"], domain: Domain, size: tuple[int, ...]
) -> Float[Tensor, "function own"]:
    """Every second value along each axis, from its neighbours; those at the ends from the two nearest ones."""
    field = values.unflatten(1, size)
    for dim, axis in enumerate(domain.axes, start=1):
        field = field.movedim(dim, -1)
        between = field[..., 1::2]
        if axis.periodic:
            field = (between + between.roll(1, -1)) / 2
        else:
            first = 1.5 * between[..., :1] - 0.5 * between[..., 1:2]
            last = 1.5 * between[..., -1:] - 0.5 * between[..., -2:-1]
            field = torch.cat((first, (between[..., 1:] + between[..., :-1]) / 2, last), dim=-1)
        field = field.movedim(-1, dim)
    return field.flatten(1)
