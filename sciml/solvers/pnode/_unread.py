"""Which parameters a reduced model looks up when it is evaluated."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from sciml.core import rng
from sciml.core.capabilities import HasReducedModel


class _Noted(Mapping[str, Tensor]):
    """Parameters by name, with a note of which were looked up."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        self.values_by_name, self.noted = dict(values), set[str]()

    def __getitem__(self, name: str) -> Tensor:
        self.noted.add(name)
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        self.noted |= self.values_by_name.keys()  # who goes through all of them may use any
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)


@torch.no_grad()
def unread_parameters(problem: HasReducedModel) -> list[str]:
    """Names of the parameters that neither the reduced model nor the closures it guesses look up, once each."""
    drawn = problem.draw(rng.generator(0, "unread"))
    params = _Noted({name: value.double().expand(1) for name, value in drawn.items()})
    fields = torch.ones(1, len(problem.fields), dtype=torch.float64)
    state = problem.encode(fields, params)
    problem.dynamics(torch.zeros(1, dtype=torch.float64), state, params, problem.closures())
    problem.decode(state[:, None], params)
    return [entry.name for entry in problem.parameters if entry.name not in params.noted]
