"""The two reductions over space that every metric is made of; fields are ``sample time channel *space``."""

from torch import Tensor


def flat_space(field: Tensor) -> Tensor:
    """All spatial axes as one: ``sample time channel point`` (one point when there is no space)."""
    return field.reshape(*field.shape[:3], -1)


def rms(field: Tensor) -> Tensor:
    """Root mean square over space, ``sample time channel``; its gradient is finite for a zero field."""
    flat = flat_space(field)
    return flat.norm(dim=-1) / flat.shape[-1] ** 0.5
