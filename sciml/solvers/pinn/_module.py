"""The network of a PINN: embedding, network, built-in conditions, unknown numbers."""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.ansatz import Ansatz, constant_parts
from sciml.core.errors import ConfigError
from sciml.core.scales import Scales
from sciml.core.statement import Statement
from sciml.core.types import Params
from sciml.models import ARCHITECTURES
from sciml.nn import CoordinateEmbedding, Jet, Record, Sine, coordinates
from sciml.solvers.pinn._config import PINNConfig

_KEPT = 64  # sets of points whose ansatz is remembered


class PINN(nn.Module):
    """u(x) = g(x) + U φ(x) N(x), float64, one column per field of the statement.

    Arguments:
        config: hyper-parameters.
        statement: the equation.
        scales: the magnitudes U of the fields, and those of equations and unknown numbers; 1 for what is not named.

    Attributes:
        unknown: the unknown numbers, each divided by its scale.
    """

    unit: Tensor

    def __init__(self, config: PINNConfig, statement: Statement, scales: Scales | None = None) -> None:
        super().__init__()
        self.config, self.statement, self.scales = config, statement, scales or Scales()
        self.ansatz = Ansatz(statement, hard=config.hard, onset=config.onset or math.inf)
        e = config.embedding
        self.embedding = CoordinateEmbedding(statement.domain, harmonics=e.harmonics, fourier=e.fourier, sigma=e.sigma)
        if config.widths and config.network != "mlp":
            raise ConfigError("only an mlp has layers of different widths", got=f"network={config.network!r}",
                              fix="Leave out model.widths, or set model.network=mlp.")  # fmt: skip
        if (given := len(config.weigh.equations)) not in (0, len(statement.equations)):
            raise ConfigError("model.weigh.equations must have one weight per equation", got=f"{given} weights",
                              expected=f"{len(statement.equations)}")  # fmt: skip
        self.network = ARCHITECTURES[config.network](
            self.embedding.size,
            len(statement.fields),
            width=config.width,
            layers=config.layers,
            nonlinearity={"tanh": nn.Tanh(), "sin": Sine()}[config.activation],
            factorised=config.factorised,
            **({"widths": config.widths} if config.widths else {}),
        )
        self.unknown = nn.ParameterDict(
            {
                u.name: nn.Parameter(torch.tensor(u.start / self.step_of(u.name), dtype=torch.float64))
                for u in statement.unknowns
            }
        )
        sizes = self.scales.of_fields(statement.fields)
        self._scaled = any(size != 1 for size in sizes)
        unit = torch.tensor(sizes, dtype=torch.float64)  # not of the weights: it comes with the context
        self.register_buffer("unit", unit, persistent=False)
        self.double()
        self._remembered: dict[tuple[int, tuple[str, ...]], tuple[Tensor, Jet, Jet]] = {}

    def step_of(self, name: str) -> float:
        """The scale of an unknown number."""
        return self.scales.unknowns.get(name, 1.0)

    def numbers(self) -> Params:
        """The unknown numbers."""
        steps = {name: self.step_of(name) for name in self.unknown}
        return {name: value if steps[name] == 1 else value * steps[name] for name, value in self.unknown.items()}

    def forward(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point field"]:
        """The fields."""
        outputs = self.network(self.embedding(points))
        outputs = outputs * self.unit if self._scaled else outputs
        if self.ansatz.free:
            return outputs
        lift, cut = self.ansatz.parts(points, ("",))
        return lift[""] + cut[""] * outputs

    def jet(
        self, points: Float[Tensor, "point dim"], wanted: Iterable[str], *, tape: list[Record] | None = None
    ) -> Jet:
        """The fields with the wanted derivatives, in Taylor mode. UnsupportedError if a layer has no rule for it."""
        start = coordinates(points, self.statement.names, wanted, tape=tape)
        outputs = self.network(self.embedding(start))
        outputs = outputs * self.unit if self._scaled else outputs
        if self.ansatz.free:
            return outputs
        lift, cut = self._ansatz_jets(points, start)
        return cut * outputs + lift

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
