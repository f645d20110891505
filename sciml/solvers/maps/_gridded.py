"""Networks of fields, where functions and fields lie on one lattice."""

import pydantic
from torch import Tensor

from sciml.core.capabilities import MapsFunctions
from sciml.core.config import Config
from sciml.core.errors import UnsupportedError
from sciml.models import FNO, UNet
from sciml.nn import Mode, Padding
from sciml.tasks.operator import (
    FixedOperator,
    Gridded,
    OperatorConfig,
    OperatorContext,
    OperatorScales,
    OperatorSolver,
    PairBatch,
    relative_error,
)
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class FNOMapConfig(Config):
    """Four Fourier layers."""

    width: int = pydantic.Field(default=16, ge=1)
    """Channels of a layer."""
    modes: int = pydantic.Field(default=8, ge=1)
    """Non-negative wavenumbers per axis."""
    layers: int = pydantic.Field(default=4, ge=1, le=1000)


class UNetMapConfig(Config):
    """A U-Net of field to field."""

    width: float = pydantic.Field(default=16.0, ge=1)
    """Channels of the finest level."""
    levels: int = pydantic.Field(default=2, ge=1, le=30)
    """Halvings of the lattice."""


class FNOMapSolver(OperatorSolver[FNOMapConfig, FixedOperator[Gridded]]):
    """A Fourier neural operator from functions to fields on one lattice."""

    key = "fno_map"
    title = "Fourier neural operator"
    citation = (
        "Z. Li, N. Kovachki, K. Azizzadenesheli, B. Liu, K. Bhattacharya, A. Stuart, A. Anandkumar, Fourier Neural "
        "Operator for Parametric Partial Differential Equations, ICLR (2021), arXiv:2010.08895"
    )
    claim = ""
    knob = Knob("width", 1, 1024)

    def recipe(self, preset: str) -> Recipe[FNOMapConfig, OperatorConfig]:
        """``paper`` keeps 12 modes at width 32."""
        return recipe_of(_FNO, preset)

    def build(self, problem: MapsFunctions, model: FNOMapConfig, context: OperatorContext) -> FixedOperator[Gridded]:
        """A network on the lattice. Raises UnsupportedError where functions and fields do not lie on one."""
        size, padding = lattice_of(problem, context)
        network = FNO(
            in_channels=len(problem.inputs),
            out_channels=len(problem.fields),
            dims=len(size),
            modes=model.modes,
            width=model.width,
            layers=model.layers,
            padding=padding,
        )
        return on_lattice(network, size, problem, context)

    def loss(self, module: FixedOperator[Gridded], batch: PairBatch, along: float = 1.0) -> Tensor:
        """Mean relative L2 error."""
        return relative_error(module, batch)


class UNetMapSolver(OperatorSolver[UNetMapConfig, FixedOperator[Gridded]]):
    """A U-Net from functions to fields on one lattice."""

    key = "unet_map"
    title = "U-Net"
    citation = "O. Ronneberger, P. Fischer, T. Brox, U-Net, MICCAI (2015), arXiv:1505.04597"
    claim = ""
    knob = Knob("width", 1.0, 1024.0)

    def recipe(self, preset: str) -> Recipe[UNetMapConfig, OperatorConfig]:
        """Two or three halvings."""
        return recipe_of(_UNET, preset)

    def build(self, problem: MapsFunctions, model: UNetMapConfig, context: OperatorContext) -> FixedOperator[Gridded]:
        """A network on the lattice. Raises UnsupportedError where functions and fields do not lie on one."""
        size, padding = lattice_of(problem, context)
        network = UNet(
            in_channels=len(problem.inputs),
            out_channels=len(problem.fields),
            dims=len(size),
            width=model.width,
            levels=model.levels,
            padding=padding,
            size=size,
        )
        return on_lattice(network, size, problem, context)

    def loss(self, module: FixedOperator[Gridded], batch: PairBatch, along: float = 1.0) -> Tensor:
        """Mean relative L2 error."""
        return relative_error(module, batch)


def lattice_of(problem: MapsFunctions, context: OperatorContext) -> tuple[tuple[int, ...], Padding]:
    """Points per axis of the lattice that everything lies on, and the padding of every axis.

    Raises: UnsupportedError where there is none.
    """
    if context.lattice is None:
        sensors = ", ".join(f"{len(p)} of {e.name}" for p, e in zip(context.sensors, problem.inputs, strict=True))
        queries = "each function's own" if context.queries is None else len(context.queries)
        raise UnsupportedError(
            "a network of fields needs sensors and queries on one lattice",
            got=f"sensors: {sensors}; queries: {queries}",
            fix="Take solver deeponet, which needs none.",
        )
    if not 1 <= len(context.lattice) <= 3:
        raise UnsupportedError("a network of fields has one to three axes", got=f"{len(context.lattice)}")
    modes: list[Mode] = ["circular" if axis.periodic else "zeros" for axis in problem.domain.axes]
    return context.lattice, tuple(modes)


def on_lattice(
    network: FNO | UNet, size: tuple[int, ...], problem: MapsFunctions, context: OperatorContext
) -> FixedOperator[Gridded]:
    """A network of fields as an operator."""
    points = context.sensors[0]  # where there is a lattice, these are its points, in order
    return FixedOperator(Gridded(network, size), OperatorScales(context, problem.domain), points)


def _train(steps: int, rate: float) -> TrainConfig:
    return TrainConfig(
        steps=steps,
        batch_size=16,
        learning_rate=rate,
        weight_decay=1e-5,
        evaluate_every=max(50, steps // 20),
        checkpoint_every=max(50, steps // 20),
    )


_FNO = {
    preset: Recipe[FNOMapConfig, OperatorConfig](
        model=FNOMapConfig(width=width, modes=modes),
        task=OperatorConfig(),
        train=_train(steps, 5e-3),
        baselines=("mean_map", "linear_map", "unet_map", "deeponet"),
    )
    for preset, width, modes, steps in (("tiny", 8, 6, 400), ("small", 16, 8, 3000), ("paper", 32, 12, 25_000))
}
_UNET = {
    preset: Recipe[UNetMapConfig, OperatorConfig](
        model=UNetMapConfig(width=width, levels=levels), task=OperatorConfig(), train=_train(steps, 3e-3)
    )
    for preset, width, levels, steps in (("tiny", 8.0, 2, 400), ("small", 16.0, 2, 3000), ("paper", 32.0, 2, 25_000))
}
