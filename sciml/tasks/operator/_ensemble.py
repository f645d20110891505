"""Several operators of one kind that differ by their random start: their mean, and how far they are apart."""

from typing import Generic, TypeVar, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sciml.tasks.operator._module import FixedOperator, OperatorScales

N = TypeVar("N", bound=nn.Module)
_MEMORY = 0.98
"""Weight of the past in the running means, by step: of the last 50 steps or so, late in a training much the same."""
_PARTS = 10_000


class Ensemble(nn.Module, Generic[N]):
    """Mean and spread of members.

    Members that are trained on the same pairs agree more closely than they are right. So the standard deviation σ of
    their answers is multiplied by a factor f per field, f² = ⟨error²⟩ / ⟨σ²⟩ over training functions that no member is
    trained on: the errors of the mean then have the size that is stated.

    Arguments:
        members: operators, two at least, with the same sensors and fields.
        share: of the training functions that no member is trained on.

    Attributes:
        error_square, spread_square: running means over such functions, in squares of the fields' standard deviations.
        calibrations: how many steps they are from; 0 for none, and then there is no spread.
    """

    error_square: Tensor
    spread_square: Tensor
    calibrations: Tensor

    def __init__(self, members: list[N], *, share: float) -> None:
        super().__init__()
        self.share = share
        self.members = nn.ModuleList(members)
        fields = len(self.scales.field_std)
        self.register_buffer("error_square", torch.zeros(fields))
        self.register_buffer("spread_square", torch.zeros(fields))
        self.register_buffer("calibrations", torch.zeros((), dtype=torch.int64))

    @property
    def scales(self) -> OperatorScales:
        """Of functions, queries and fields, the same for all members."""
        return cast(OperatorScales, self.members[0].scales)

    def forward(
        self,
        functions: Float[Tensor, "batch sensor"],
        queries: Float[Tensor, "query dim"] | Float[Tensor, "batch query dim"],
    ) -> Float[Tensor, "batch query field"]:
        """The mean of the members' answers, in physical units."""
        return self.answers(functions, queries).mean(0)

    def answers(
        self,
        functions: Float[Tensor, "batch sensor"],
        queries: Float[Tensor, "query dim"] | Float[Tensor, "batch query dim"],
    ) -> Float[Tensor, "member batch query field"]:
        """What every member answers."""
        return torch.stack([member(functions, queries) for member in self.members])

    def spread(self, answers: Float[Tensor, "member batch query field"]) -> Float[Tensor, "batch query field"] | None:
        """The calibrated standard deviation of the mean's error; None where nothing was held out to calibrate it."""
        if int(self.calibrations) == 0:
            return None
        factor = (self.error_square / self.spread_square.clamp_min(torch.finfo(self.spread_square.dtype).tiny)).sqrt()
        return factor * answers.std(0)

    @torch.no_grad()
    def calibrate(
        self, answers: Float[Tensor, "member batch query field"], targets: Float[Tensor, "batch query field"]
    ) -> None:
        """Take in what the members answer for functions that none is trained on."""
        units = self.scales.field_std
        error = ((answers.mean(0) - targets) / units).square().flatten(0, 1).mean(0)
        spread = (answers.std(0) / units).square().flatten(0, 1).mean(0)
        kept = min(_MEMORY, float(self.calibrations) / (1 + float(self.calibrations)))
        self.error_square.lerp_(error, 1 - kept)
        self.spread_square.lerp_(spread, 1 - kept)
        self.calibrations += 1

    def check(self, queries: Float[Tensor, "query dim"] | Float[Tensor, "batch query dim"], title: str) -> None:
        """Raise UserError for queries that a member cannot answer at."""
        for member in self.members:
            if isinstance(member, FixedOperator):
                member.check(queries, title)


def held_out(functions: Float[Tensor, "batch sensor"], share: float) -> Bool[Tensor, " batch"]:
    """Which functions no member is trained on: a share of all, by a hash of their values, the same in every batch."""
    bits = functions.detach().float().contiguous().view(torch.int32).long()
    place = torch.arange(1, bits.shape[1] + 1, device=bits.device)
    mixed = ((bits ^ (bits >> 15)) * (2 * place + 1) * 0x9E3779B1).sum(1)
    mixed = (mixed ^ (mixed >> 29)) * 0x85EBCA77
    return (mixed ^ (mixed >> 32)).remainder(_PARTS) < share * _PARTS
