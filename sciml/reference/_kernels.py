"""Covariance functions of stationary Gaussian fields on a line, with their integrals in closed form."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UnknownNameError, UserError

KernelName = Literal["rbf", "exponential", "matern32", "matern52"]
"""Squared exponential, and Matérn with smoothness 1/2, 3/2 and 5/2."""


@dataclass(frozen=True)
class Kernel:
    """k(r) of unit variance, r the distance.

        rbf          exp(-r² / 2 l²)
        exponential  exp(-r / l)
        matern32     (1 + q) exp(-q),              q = √3 r / l
        matern52     (1 + q + q²/3) exp(-q),       q = √5 r / l

    Arguments:
        name: which one.
        length: l > 0, in the units of the axis.

    Reference: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning (2006), chapter 4.
    """

    name: KernelName
    length: float

    def __post_init__(self) -> None:
        if self.name not in get_args(KernelName):
            raise UnknownNameError("kernel", self.name, get_args(KernelName))
        is_number = isinstance(self.length, int | float) and not isinstance(self.length, bool)
        if not is_number or not 0 < self.length < math.inf:
            raise UserError("the length of a kernel is not positive", got=repr(self.length))

    def __call__(self, distance: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """k at distances."""
        return _VALUES[self.name](distance.abs() / self.length)

    def integral(self, distance: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """∫₀^r k for signed r, an odd function."""
        return distance.sign() * self.length * _INTEGRALS[self.name](distance.abs() / self.length)


_S3, _S5 = math.sqrt(3), math.sqrt(5)
_VALUES: dict[str, Callable[[Tensor], Tensor]] = {
    "rbf": lambda r: torch.exp(-r.square() / 2),
    "exponential": lambda r: torch.exp(-r),
    "matern32": lambda r: (1 + _S3 * r) * torch.exp(-_S3 * r),
    "matern52": lambda r: (1 + _S5 * r + 5 * r.square() / 3) * torch.exp(-_S5 * r),
}
_INTEGRALS: dict[str, Callable[[Tensor], Tensor]] = {
    "rbf": lambda r: math.sqrt(math.pi / 2) * torch.erf(r / math.sqrt(2)),
    "exponential": lambda r: -torch.expm1(-r),
    "matern32": lambda r: (2 - (_S3 * r + 2) * torch.exp(-_S3 * r)) / _S3,
    "matern52": lambda r: (8 - (5 * r.square() + 5 * _S5 * r + 8) * torch.exp(-_S5 * r)) / (3 * _S5),
}
