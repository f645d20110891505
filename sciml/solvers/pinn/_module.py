"""The network of a PINN: embedding, network, built-in conditions, unknown numbers."""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.ansatz import Ansatz, constant_parts
from sciml.core.corners import corner_functions
from sciml.core.derivatives import LAPLACIAN, autograd_derivatives
from sciml.core.errors import ConfigError
from sciml.core.expressions import Evaluator, columns
from sciml.core.scales import Scales
from sciml.core.statement import Statement
from sciml.core.types import Params
from sciml.models import ARCHITECTURES
from sciml.nn import CoordinateEmbedding, Jet, Record, Sine, coordinates, join
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
        if (weights := len(config.weigh.equations)) not in (0, len(statement.equations)):
            raise ConfigError("model.weigh.equations must have one weight per equation", got=f"{weights} weights",
                              expected=f"{len(statement.equations)}")  # fmt: skip
        self._corners = corner_functions(statement.domain.shape)
        self._at_corners = Evaluator(self._corners)
        self.network = ARCHITECTURES[config.network](
            self.embedding.size + len(self._corners),
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
        self._remembered: dict[tuple[int, tuple[str, ...]], tuple[Tensor, Jet, Jet, Jet]] = {}

    def step_of(self, name: str) -> float:
        """The scale of an unknown number."""
        return self.scales.unknowns.get(name, 1.0)

    def numbers(self) -> Params:
        """The unknown numbers."""
        steps = {name: self.step_of(name) for name in self.unknown}
        return {name: value if steps[name] == 1 else value * steps[name] for name, value in self.unknown.items()}

    def forward(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point field"]:
        """The fields."""
        features = self.embedding(points)
        if self._corners:
            features = join(features, self._corner_values(points))
        outputs = self.network(features)
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
        lift, cut, corners = self._given_jets(points, start)
        features = self.embedding(start)
        outputs = self.network(join(features, start.with_parts(corners.parts)) if self._corners else features)
        outputs = outputs * self.unit if self._scaled else outputs
        return outputs if self.ansatz.free else cut * outputs + lift

    def _given_jets(self, points: Tensor, like: Jet) -> tuple[Jet, Jet, Jet]:
        """g, φ and the functions of corners as jets, remembered for the tensor of points they were made for."""
        key = (id(points), like.wanted)
        kept = self._remembered.get(key)
        if kept is None or kept[0] is not points:
            parts = [{}, {}] if self.ansatz.free else list(self.ansatz.parts(points, like.wanted))
            parts.append(self._corner_parts(points, like.wanted) if self._corners else {})
            plain = Jet({}, like.wanted, like.axes)
            if len(self._remembered) >= _KEPT:
                self._remembered.clear()
            lift, cut, corners = (plain.with_parts(constant_parts(each)) for each in parts)
            kept = self._remembered[key] = points, lift, cut, corners
        return kept[1:]

    def _corner_values(self, points: Tensor) -> Float[Tensor, "point function"]:
        return self._at_corners(columns(points, self.statement.names), points[:, 0])

    def _corner_parts(self, points: Tensor, wanted: Iterable[str]) -> dict[str, Tensor]:
        """The functions of corners with their derivatives."""
        names, each = self.statement.names, [str(i) for i in range(len(self._corners))]
        with torch.enable_grad():
            slope = autograd_derivatives(self._corner_values, points, each, names)
            return {
                name: torch.stack(
                    [
                        torch.stack([slope(one, order).detach() for one in each], dim=1)
                        for order in ([axis * 2 for axis in names] if name == LAPLACIAN else [name])
                    ]
                ).sum(0)
                for name in wanted
            }
