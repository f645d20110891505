"""The two reductions over space that every metric is made of; fields are ``sample time channel *space``."""

from torch import Tensor


def flat_space(field: Tensor) -> Tensor:
    """All spatial axes as one: ``sample time channel point`` (one point when there is no space)."""
    return field.reshape(*field.shape[:3], -1)


def rms(field: Tensor) -> Tensor:
    """Root mean square over space, ``sample time channel``; its gradient is finite for a zero field."""
    flat = flat_space(field)
    return flat.norm(dim=-1) / flat.shape[-1] ** 0.5


def centred(field: Tensor) -> Tensor:
    """Deviations from the mean over space, ``sample time channel point``, float64.

    In double precision, since the mean of a field of large mean and small amplitude is lost in single precision.
    """
    flat = flat_space(field).double()
    return flat - flat.mean(-1, keepdim=True)
