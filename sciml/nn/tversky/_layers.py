"""Layers that answer by Tversky similarity."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.nn._full_precision import full_precision
from sciml.nn.tversky._measure import Measure, Pairing, Sets, all_pairs, difference, intersection, partners, sets_of


class FeatureBank(nn.Module):
    """Ω, the features that objects have or have not; layers that live in one space may share a bank.

    Arguments:
        features: K, how many.
        channels: of the objects.
        nonnegative: whether objects have no negative components. Features are then drawn from U(0, 1), as published;
            otherwise from U(-2/√d, 2/√d), since of signed objects the former learns less.
        generator: of the features.

    Raises: UserError for sizes below 1.
    """

    def __init__(
        self, features: int, channels: int, *, nonnegative: bool = False, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        if features < 1 or channels < 1:
            raise UserError("a bank holds at least one feature of one channel", got=f"{features} of {channels}")
        self.weight = nn.Parameter(drawn(features, channels, nonnegative, generator))

    def forward(self, objects: Float[Tensor, "*object channel"]) -> Float[Tensor, "*object feature"]:
        """The products a·f_k, in single precision at least: their sums overflow halves."""
        if objects.shape[-1] != self.weight.shape[1]:
            raise UserError("the objects have another number of channels than the features of the bank",
                            got=tuple(objects.shape), expected=f"(…, {self.weight.shape[1]})")  # fmt: skip
        return objects @ self.weight.T


class TverskySimilarity(nn.Module):
    """S(a, b) of objects; which comes first matters: α weighs what only a has, β what only b has.

    Arguments:
        bank: Ω; may be that of other layers.
        measure: how sets are compared.
        normalise: whether objects are divided by their norms first.
        theta, alpha, beta: at the start; all three are learned, of any sign.

    Raises: UserError in a call, for objects that do not fit the bank.
    """

    def __init__(
        self,
        bank: FeatureBank,
        *,
        measure: Measure | None = None,
        normalise: bool = False,
        theta: float = 1.0,
        alpha: float = 0.5,
        beta: float = 0.5,
    ) -> None:
        super().__init__()
        self.bank, self.measure, self.normalise = bank, measure or Measure(), normalise
        self.theta, self.alpha, self.beta = (nn.Parameter(torch.tensor(float(v))) for v in (theta, alpha, beta))

    def sets(self, objects: Float[Tensor, "*object channel"]) -> Sets:
        """Objects as sets of features of the bank."""
        objects = objects if objects.dtype == torch.float64 else objects.float()
        if self.normalise:
            objects = torch.nn.functional.normalize(objects, dim=-1)
        return sets_of(self.bank(objects), self.measure)

    def forward(
        self, first: Float[Tensor, "*object channel"], second: Float[Tensor, "*other channel"]
    ) -> Float[Tensor, "..."]:
        """S of every object with its partner; shapes may broadcast."""
        with full_precision(first):
            return self._model(self.sets(first), self.sets(second), partners())

    def matrix(
        self, first: Float[Tensor, "object channel"], second: Float[Tensor, "other other_channel"]
    ) -> Float[Tensor, "object other"]:
        """S of all pairs."""
        with full_precision(first):
            return self._model(self.sets(first), self.sets(second), all_pairs(self.measure))

    def _model(self, x: Sets, y: Sets, pairing: Pairing) -> Tensor:
        common = intersection(x, y, self.measure, pairing)
        ours = difference(x, y, self.measure, pairing)
        # f(Y - X), of objects in the order of the answer
        turned = Pairing(lambda u, v: pairing.product(v, u), lambda f, b, a: pairing.over(lambda p, q: f(q, p), a, b))
        theirs = difference(y, x, self.measure, turned)
        if self.measure.model == "contrast":
            return self.theta * common - self.alpha * ours - self.beta * theirs
        return common / (common + self.alpha * ours + self.beta * theirs + self.measure.constant)


class TverskyProjection(nn.Module):
    """a → S(a, π_1), …, S(a, π_p): in the place of a linear layer, with prototypes for rows.

    Arguments:
        channels_in, channels_out: of the input, and p.
        similarity: S, with its bank.
        prototypes: π to be shared with other layers; None for ones of its own.
        bias: whether a number is added to every output; published layers have none.
        nonnegative: as for `FeatureBank`, for the prototypes.
        generator: of the prototypes.

    Raises: UserError for prototypes of another shape; in a call, for inputs that do not fit.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        similarity: TverskySimilarity,
        *,
        prototypes: nn.Parameter | None = None,
        bias: bool = False,
        nonnegative: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if prototypes is not None and prototypes.shape != (channels_out, channels_in):
            raise UserError("the shared prototypes do not fit this layer", got=tuple(prototypes.shape),
                            expected=f"({channels_out}, {channels_in})")  # fmt: skip
        self.similarity = similarity
        if prototypes is None:
            prototypes = nn.Parameter(drawn(channels_out, channels_in, nonnegative, generator))
        self.prototypes = prototypes
        self.bias = nn.Parameter(torch.zeros(channels_out)) if bias else None

    @property
    def bank(self) -> FeatureBank:
        """Ω."""
        return self.similarity.bank

    def forward(self, x: Float[Tensor, "*batch channel_in"]) -> Float[Tensor, "*batch channel_out"]:
        """The similarities to all prototypes."""
        values = self.similarity.matrix(x.reshape(-1, x.shape[-1]), self.prototypes)
        values = values.unflatten(0, x.shape[:-1]) if x.ndim != 2 else values
        return values if self.bias is None else values + self.bias


def tversky_projection(
    channels_in: int,
    channels_out: int,
    *,
    features: int,
    measure: Measure | None = None,
    bias: bool = False,
    nonnegative: bool = False,
    generator: torch.Generator | None = None,
) -> TverskyProjection:
    """A projection with a bank of its own; see `TverskyProjection` and `FeatureBank`."""
    bank = FeatureBank(features, channels_in, nonnegative=nonnegative, generator=generator)
    similarity = TverskySimilarity(bank, measure=measure)
    return TverskyProjection(
        channels_in, channels_out, similarity, bias=bias, nonnegative=nonnegative, generator=generator
    )


def drawn(rows: int, channels: int, nonnegative: bool, generator: torch.Generator | None) -> Tensor:
    """Features or prototypes before training."""
    values = torch.rand(rows, channels, generator=generator)
    return values if nonnegative else (2 * values - 1) * 2 / channels**0.5
