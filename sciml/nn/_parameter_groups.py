"""Parameters that an optimiser must treat apart: no weight decay, a learning rate of their own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import nn

from sciml.nn._packed import packed_as_leaves


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters of one kind.

    Arguments:
        parameters: of the module itself and of those inside it.
        decays: whether weight decay applies; pulling a time scale towards zero has no meaning.
        max_learning_rate: the peak learning rate is at most this; None for that of the rest.
    """

    parameters: Sequence[nn.Parameter]
    decays: bool = False
    max_learning_rate: float | None = None


@runtime_checkable
class GroupsParameters(Protocol):
    """A module with parameters that are to be treated apart. Optimisers find it anywhere in a network."""

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """These parameters; all others are ordinary."""
        ...


def optimiser_groups(
    module: nn.Module, learning_rate: float, weight_decay: float
) -> list[dict[str, Any]]:  # Any: torch's groups hold parameters and settings
    """What optimisers of torch take for the trainable parameters of a network: ordinary ones first, then each group.

    Without a module that is a `GroupsParameters` that is one group of all parameters, in their order.
    """
    groups = declared_groups(module)
    apart = {id(parameter) for group in groups for parameter in group.parameters}
    ordinary = [parameter for parameter in module.parameters() if id(parameter) not in apart]
    result: list[dict[str, Any]] = [{"params": ordinary, "lr": learning_rate, "weight_decay": weight_decay}]
    alike: dict[tuple[float, float], list[nn.Parameter]] = {}
    for group in groups:
        rate = learning_rate if group.max_learning_rate is None else min(learning_rate, group.max_learning_rate)
        alike.setdefault((rate, weight_decay if group.decays else 0.0), []).extend(group.parameters)
    result += [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in alike.items()
        if parameters
    ]
    return [group for group in result if group["params"]] or result[:1]


def declared_groups(module: nn.Module) -> list[ParameterGroup]:
    """The groups that the modules inside a network ask for; of a packed weight, its values."""
    with packed_as_leaves():
        return [group for inner in _grouping(module) for group in inner.parameter_groups()]


def _grouping(module: nn.Module) -> Iterator[GroupsParameters]:
    for inner in module.modules():
        if isinstance(inner, GroupsParameters):
            yield inner
