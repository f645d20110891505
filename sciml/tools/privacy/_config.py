"""Settings of the policy `privacy`."""

from typing import Literal

import pydantic

from sciml.core.config import Config
from sciml.tools.privacy._mechanism import Accountant, Noise

Method = Literal["auto", "lipschitz", "clip"]


class PrivacyConfig(Config):
    """What guarantee is asked for, and how it is kept."""

    epsilon: float = pydantic.Field(default=3.0, gt=0)
    """What the whole training may leak at most; not read where `sigma` is given."""
    sigma: float | None = pydantic.Field(default=None, ge=0)
    """Noise over sensitivity, in place of what `epsilon` needs; 0 for no noise and no guarantee."""
    delta: float = pydantic.Field(default=1e-5, gt=0, lt=1)
    """Chance that the guarantee fails; less than one over the number of training samples."""
    method: Method = "auto"
    """``lipschitz``: bounds from the layers, no gradient of single samples; ``clip``: gradients of single samples,
    clipped (DP-SGD), for any network; ``auto``: the first where the solver has bounds."""
    clip: float = pydantic.Field(default=1.0, gt=0)
    """Largest norm of a sample's gradient where these are clipped."""
    loss_clip: float | None = pydantic.Field(default=None, gt=0)
    """Largest slope of a sample's loss in the output of the network, where bounds come from the layers; None for the
    Lipschitz constant of the loss alone."""
    noise: Noise = "global"
    """``global`` noise, the same on all parameters, or per ``layer`` in proportion to its own bound."""
    accountant: Accountant = "rdp"
    """``rdp`` (Rényi, built in) or ``pld`` (privacy loss distributions, needs ``sciml[privacy]``)."""
    steps: int | None = pydantic.Field(default=None, ge=1)
    """Training steps; None for those of the solver."""
    batch_size: int | None = pydantic.Field(default=None, ge=1)
    """Samples of a batch on average; None for those of the solver."""
    learning_rate: float | None = pydantic.Field(default=None, gt=0)
    """None for that of the solver."""
    reproducible: bool = True
    """Whether noise and batches follow from the seed of the run, as resuming needs. Who knows the seed can take the
    noise away, so a model that is released wants false."""
