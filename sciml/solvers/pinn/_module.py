"""The network of a PINN: embedding, network, built-in conditions, unknown numbers."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.ansatz import Ansatz, constant_parts
from sciml.core.statement import Statement
from sciml.models import ARCHITECTURES
from sciml.nn import CoordinateEmbedding, Jet, Record, Sine, coordinates
from sciml.solvers.pinn._config import PINNConfig

_KEPT = 64  # sets of points whose ansatz is remembered


class PINN(nn.Module):
    """u(x) = g(x) + φ(x) N(x), float64, one column per field of the statement.

    Arguments:
        config: hyper-parameters.
        statement: the equation.
    """

    def __init__(self, config: PINNConfig, statement: Statement) -> None:
        super().__init__()
        self.config, self.statement = config, statement
        self.ansatz = Ansatz(statement, hard=config.hard)
        e = config.embedding
        self.embedding = CoordinateEmbedding(statement.domain, harmonics=e.harmonics, fourier=e.fourier, sigma=e.sigma)
        self.network = ARCHITECTURES[config.network](
            self.embedding.size,
            len(statement.fields),
            width=config.width,
            layers=config.layers,
            nonlinearity={"tanh": nn.Tanh(), "sin": Sine()}[config.activation],
            factorised=config.factorised,
        )
        self.unknown = nn.ParameterDict(
            {u.name: nn.Parameter(torch.tensor(u.start, dtype=torch.float64)) for u in statement.unknowns}
        )
        self.double()
        self._remembered: dict[tuple[int, tuple[str, ...]], tuple[Tensor, Jet, Jet]] = {}

    def forward(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point field"]:
        """The fields."""
        found = self.network(self.embedding(points))
        if self.ansatz.free:
            return found
        lift, cut = self.ansatz.parts(points, ("",))
        return lift[""] + cut[""] * found

    def jet(
        self, points: Float[Tensor, "point dim"], wanted: Iterable[str], *, tape: list[Record] | None = None
    ) -> Jet:
        """The fields with the wanted derivatives, in Taylor mode. UnsupportedError if a layer has no rule for it."""
        start = coordinates(points, self.statement.names, wanted, tape=tape)
        found = self.network(self.embedding(start))
        if self.ansatz.free:
            return found
        lift, cut = self._ansatz_jets(points, start)
        return cut * found + lift

    def _ansatz_jets(self, points: Tensor, like: Jet) -> tuple[Jet, Jet]:
        """g and φ as jets, remembered for the tensor of points they were made for."""
        key = (id(points), like.wanted)
        kept = self._remembered.get(key)
        if kept is None or kept[0] is not points:
            lift, cut = (constant_parts(parts) for parts in self.ansatz.parts(points, like.wanted))
            plain = Jet({}, like.wanted, like.axes)
            if len(self._remembered) >= _KEPT:
                self._remembered.clear()
            kept = self._remembered[key] = (points, plain.with_parts(lift), plain.with_parts(cut))
        return kept[1], kept[2]
