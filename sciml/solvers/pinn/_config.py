"""Settings of a PINN."""

from typing import Literal

import pydantic

from sciml.core.config import Config


class EmbedConfig(Config):
    """How coordinates enter the network; periodic axes are embedded as waves whatever is said here."""

    harmonics: int = pydantic.Field(default=3, ge=1, le=1000)
    """Waves per periodic axis."""
    fourier: int = pydantic.Field(default=0, ge=0, multiple_of=2)
    """Random Fourier features; 0 for none."""
    sigma: pydantic.PositiveFloat | dict[str, pydantic.PositiveFloat | tuple[pydantic.PositiveFloat, ...]] = 1.0
    """Standard deviation of their frequencies, for axes scaled to [-1, 1]: of all axes, or by axis, ``{x=3, t=30}``.
    An axis with several, ``{x=[3, 80]}``, gives an equal share of the features to each."""


class OptimiseConfig(Config):
    """How the network is fitted to the equation."""

    method: Literal["gauss_newton", "lbfgs", "soap", "adam"] = "gauss_newton"
    """What takes the steps; the first two use all points at every step."""
    warm: int = pydantic.Field(default=0, ge=0)
    """Steps of Adam before it."""
    restarts: int = pydantic.Field(default=0, ge=0, le=1000)
    """How often the training begins anew from other weights, in shares of the steps; the best weights are kept. A
    method that cannot go on begins anew at once."""
    learning_rate: float = pydantic.Field(default=1e-3, gt=0)
    """Of Adam and SOAP, after a linear rise over the first hundredth of the steps."""
    decay: float = pydantic.Field(default=0.9, gt=0, le=1)
    """Factor of the learning rate every `decay_steps`."""
    decay_steps: int = pydantic.Field(default=2000, ge=1)
    damping: float = pydantic.Field(default=1.0, gt=0)
    """Of Gauss-Newton at the start, relative to the mean diagonal of JᵀJ."""
    solve: Literal["auto", "dense", "cg"] = "auto"
    """How Gauss-Newton solves for its step: by Cholesky, or by conjugate gradients for many parameters."""
    accelerated: bool = True
    """Whether steps of Gauss-Newton are bent along the curvature of the residuals, for one more evaluation each."""
    history: int = pydantic.Field(default=50, ge=1, le=10_000)
    """Pairs that L-BFGS keeps."""
    engine: Literal["auto", "autograd", "taylor", "laplacian", "traced"] = "auto"
    """How derivatives by the coordinates are taken; ``auto`` times those that apply and agree with autograd."""
    compile: bool = False
    """Whether a traced step is compiled, which takes seconds, and does so again for every new choice of points."""


class WeighConfig(Config):
    """What counts how much in the loss."""

    soft: float = pydantic.Field(default=10.0, gt=0)
    """Weight of conditions that are not built in, and of observations, against the equations."""
    equations: tuple[pydantic.PositiveFloat, ...] = ()
    """Weight of every equation against the others, in the order of the statement; none for 1 each."""
    balance: Literal["none", "grad_norm", "ntk", "relobralo"] = "none"
    """How weights adapt: to equal gradient norms, equal traces of the tangent kernel, equal relative progress."""
    balance_every: int = pydantic.Field(default=100, ge=1)
    """Steps between two changes of them."""
    causal: float = pydantic.Field(default=0.0, ge=0)
    """Strictness ε of causal weights in time; 0 for none."""
    chunks: int = pydantic.Field(default=32, ge=2)
    """Intervals of time for causal weights."""


class AdaptConfig(Config):
    """Points that follow the residual."""

    kind: Literal["none", "rad", "rar_g", "rar_d"] = "none"
    """Redraw all points with probability by residual; or add those of largest, or of random large, residual."""
    every: int = pydantic.Field(default=50, ge=1)
    """Steps between two refreshes."""
    pool: int = pydantic.Field(default=10_000, ge=10)
    """Random candidates."""
    add: int = pydantic.Field(default=50, ge=1)
    """Points added at a time."""
    power: float = pydantic.Field(default=1.0, gt=0)
    """k of p ∝ |r|^k / mean|r|^k + c."""
    floor: float = pydantic.Field(default=1.0, ge=0)
    """c of it."""


class PINNConfig(Config):
    """A network of the coordinates, and how it is fitted to the equation."""

    network: Literal["mlp", "modified_mlp", "piratenet"] = "mlp"
    width: int = pydantic.Field(default=20, ge=1)
    """Neurons per hidden layer."""
    layers: int = pydantic.Field(default=2, ge=1, le=1000)
    """Hidden layers; of a PirateNet, blocks of three."""
    widths: tuple[pydantic.PositiveInt, ...] = ()
    """Neurons of every hidden layer of an ``mlp``, in place of `width` and `layers`; none for layers of one width."""
    activation: Literal["tanh", "sin"] = "tanh"
    factorised: bool = False
    """Whether weights are factorised, W = diag(exp g) V."""
    hard: bool = True
    """Whether conditions are built into the ansatz, as far as they can be; the others are terms of the loss."""
    onset: pydantic.PositiveFloat | None = None
    """Share of the duration in which a built-in initial condition is left, for solutions that vary fast in time; None
    to leave it at an even pace."""
    embedding: EmbedConfig = EmbedConfig()
    optimise: OptimiseConfig = OptimiseConfig()
    weigh: WeighConfig = WeighConfig()
    adapt: AdaptConfig = AdaptConfig()
