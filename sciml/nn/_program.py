"""Modules that are exported as something simpler than themselves."""

from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class HasProgram(Protocol):
    """A module that knows a plainer one with the same answers, to be written as a program."""

    def program(self, *arguments: Tensor) -> nn.Module:
        """For arguments of these shapes, in any number of samples; what does not depend on them is made once."""
        ...
