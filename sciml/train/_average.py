"""The exponential moving average of a module's weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """w̄ ← d w̄ + (1 − d) w after every step, with d = min(decay, (1 + n) / (10 + n)) after n of them.

    Parameters of any dtype are averaged in it; buffers are those of the module. No copy of the module is made: a module
    may hold what cannot be copied, as the problem it solves.

    Arguments:
        module: whose weights.
        decay: the largest d.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay, self.count = module, decay, 0
        self.values = {name: p.detach().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now; the first ones are the average to begin with."""
        averages, weights = list(self.values.values()), [p.detach() for p in self.module.parameters()]
        if self.count == 0:
            torch._foreach_copy_(averages, weights)  # pyright: ignore[reportPrivateImportUsage] (torch means users to call it)
        else:
            torch._foreach_lerp_(averages, weights, 1 - min(self.decay, (1 + self.count) / (10 + self.count)))  # pyright: ignore[reportPrivateImportUsage] (torch means users to call it)
        self.count += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the module has the averaged weights; afterwards its own again, to the bit."""
        weights = [p.detach() for p in self.module.parameters()]
        kept = [weight.clone() for weight in weights]
        with torch.no_grad():
            torch._foreach_copy_(weights, list(self.values.values()))  # pyright: ignore[reportPrivateImportUsage] (torch means users to call it)
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(weights, kept)  # pyright: ignore[reportPrivateImportUsage] (torch means users to call it)

    def state_dict(self) -> dict[str, Tensor]:
        """The averages and how many steps they have seen."""
        return {"count": torch.tensor(self.count), **{f"module.{name}": value for name, value in self.values.items()}}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from there."""
        self.count = int(state["count"])
        for name, value in self.values.items():
            value.copy_(state[f"module.{name}"])
