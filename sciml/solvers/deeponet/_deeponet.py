"""DeepONet on data."""

from typing import Literal

import pydantic
from torch import Tensor, nn

from sciml.core.capabilities import MapsFunctions
from sciml.core.config import Config
from sciml.core.errors import ConfigError, UnsupportedError
from sciml.models import CNNBranch, DeepONet, PeriodicFeatures, Strategy, Vanishing
from sciml.nn import Activation
from sciml.tasks.operator import (
    FreeOperator,
    OperatorConfig,
    OperatorContext,
    OperatorScales,
    OperatorSolver,
    PairBatch,
    squared_error,
)
from sciml.train import Choices, Knob, Places, Recipe, Searchable, Slot, Space, TrainConfig, recipe_of, spread

CITATION = (
    "L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Learning nonlinear operators via DeepONet based on the "
    "universal approximation theorem of operators, Nature Machine Intelligence 3 (2021) 218, arXiv:1910.03193"
)
BASELINES = ("mean_map", "linear_map", "fnn", "fno_map", "unet_map")


class TrunkConfig(Config):
    """What trunk, features and constraints of an operator network are like."""

    modes: int = pydantic.Field(default=40, ge=1)
    """Products summed, per field."""
    width: int = pydantic.Field(default=40, ge=1)
    """Neurons of hidden layers."""
    branch_layers: int = pydantic.Field(default=2, ge=1, le=1000)
    """Weight layers of a branch."""
    trunk_layers: int = pydantic.Field(default=2, ge=1, le=1000)
    """Weight layers of the trunk, the last one activated."""
    nonlinearity: Activation = "relu"
    bias: bool = True
    """Whether a number is added at the end."""
    harmonics: int = pydantic.Field(default=1, ge=0, le=1000)
    """Waves that a periodic axis is seen by; 0 to see its coordinate."""
    vanish: tuple[str, ...] = ()
    """Faces on which all fields are zero by construction, such as ``lower x``."""


class DeepONetConfig(TrunkConfig):
    """A DeepONet; the default is the network of the paper's code."""

    branch_widths: tuple[pydantic.PositiveInt, ...] = ()
    """Neurons of every hidden layer of the branch, in place of `width` and `branch_layers`; none for one width."""
    trunk_widths: tuple[pydantic.PositiveInt, ...] = ()
    """The same of the trunk."""
    stacked: bool = False
    """Independent branches of one hidden layer instead of one net."""
    strategy: Strategy = "split_both"
    """How several fields come out."""
    branch: Literal["mlp", "cnn"] = "mlp"
    """``cnn`` for functions whose sensors are a lattice."""


class DeepONetSolver(OperatorSolver[DeepONetConfig, FreeOperator[DeepONet]], Searchable):
    """Branch and trunk, trained on pairs."""

    key = "deeponet"
    title = "DeepONet"
    citation = CITATION
    claim = "Lower error than a fully connected network of no fewer parameters on the antiderivative"
    knob = Knob("width", 1, 4096)

    def recipe(self, preset: str) -> Recipe[DeepONetConfig, OperatorConfig]:
        """The network of the paper's code; ``paper`` trains for 50,000 steps on everything at once."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: MapsFunctions, model: DeepONetConfig, context: OperatorContext) -> FreeOperator[DeepONet]:
        """A network for the problem's functions, queries and fields.

        Raises: ConfigError for a face that does not exist; UnsupportedError for convolutions without a lattice.
        """
        if model.stacked and (model.branch != "mlp" or model.branch_layers != 2 or model.branch_widths):
            raise ConfigError("stacked branches have one hidden layer each",
                              got=f"branch={model.branch!r}, branch_layers={model.branch_layers}",
                              expected="branch='mlp', branch_layers=2")  # fmt: skip
        fields = len(problem.fields)
        network = DeepONet(
            sensors=sum(context.sizes),
            dims=len(problem.domain.axes),
            fields=fields,
            modes=model.modes,
            width=model.width,
            branch_layers=model.branch_layers,
            trunk_layers=model.trunk_layers,
            branch_widths=model.branch_widths,
            trunk_widths=model.trunk_widths,
            nonlinearity=model.nonlinearity,
            stacked=model.stacked,
            bias=model.bias,
            strategy=model.strategy,
            branch=_cnn(model, context, fields) if model.branch == "cnn" else None,
            features=features_for(problem, model.harmonics),
            constraint=constraint_for(problem, model),
        )
        return FreeOperator(network, OperatorScales(context, problem.domain), centred=not model.vanish)

    def space(self, problem: MapsFunctions, model: DeepONetConfig, context: OperatorContext) -> Space:
        """Depth and widths of branch and trunk, and the nonlinearity."""
        return deeponet_space(model)

    def loss(self, module: FreeOperator[DeepONet], batch: PairBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of standardised fields."""
        return squared_error(module, batch)


def deeponet_space(model: DeepONetConfig) -> Space:
    """Branch and trunk with up to three hidden layers, each a quarter, half, as, or twice as wide as the recipe's.

    Raises: UnsupportedError for stacked, convolutional or independent branches.
    """
    if model.stacked or model.branch != "mlp" or model.strategy == "independent":
        raise UnsupportedError("only one fully connected branch and trunk can be searched",
                               got=f"stacked={model.stacked}, branch={model.branch!r}, strategy={model.strategy!r}",
                               expected="stacked=False, branch='mlp', one branch for all fields")  # fmt: skip
    widths = spread(model.width // 4, model.width // 2, model.width, 2 * model.width)
    slots = [Slot("nonlinearity", tuple(dict.fromkeys(("relu", "tanh", "gelu", model.nonlinearity))))]
    for net in ("branch", "trunk"):
        slots.append(Slot(f"{net}_layers", (2, 3, 4)))
        slots += [Slot(f"{net}_width_{i}", widths, needs=(f"{net}_layers", (2, 3, 4)[i:])) for i in range(3)]

    def configured(choices: Choices) -> DeepONetConfig:
        update: dict[str, object] = {"nonlinearity": choices["nonlinearity"]}
        for net in ("branch", "trunk"):
            hidden = int(choices[f"{net}_layers"]) - 1
            update |= {
                f"{net}_layers": hidden + 1,
                f"{net}_widths": tuple(choices[f"{net}_width_{i}"] for i in range(hidden)),
            }
        return model.model_copy(update=update)

    def places(choices: Choices) -> Places:
        swaps, masks = {}, {}
        for net, path in (("branch", "network.branches.0"), ("trunk", "network.trunks.0")):
            swaps[path] = (f"{net}_layers", "nonlinearity")
            hidden = int(choices[f"{net}_layers"]) - 1
            masks |= {f"{path}.layers.{i + 1}": f"{net}_width_{i}" for i in range(hidden)}
        return Places(swaps, masks)

    return Space(tuple(slots), configured, places)


def _cnn(model: DeepONetConfig, context: OperatorContext, fields: int) -> nn.Module:
    if context.lattice is None or model.strategy == "independent":
        raise UnsupportedError("a convolutional branch sees functions on a lattice, and serves all fields",
                               got="sensors that are none" if context.lattice is None else "strategy='independent'",
                               fix="Set model.branch=mlp, or another model.strategy.")  # fmt: skip
    groups = fields if model.strategy in ("split_both", "split_branch") else 1
    return CNNBranch(
        context.lattice,
        model.modes * groups,
        channels_in=len(context.sensors),
        width=max(1, model.width // 4),
        hidden=model.width,
        nonlinearity=model.nonlinearity,
    )


def features_for(problem: MapsFunctions, harmonics: int) -> nn.Module | None:
    """Waves for the periodic axes of the queries; None where there are none."""
    periodic = tuple(axis.periodic for axis in problem.domain.axes)
    return PeriodicFeatures(periodic, harmonics) if any(periodic) and harmonics else None


def constraint_for(problem: MapsFunctions, model: TrunkConfig) -> nn.Module | None:
    """What makes fields vanish on faces; None where nothing does."""
    faces, names = [], problem.domain.names
    for entry in model.vanish:
        side, _, axis = entry.partition(" ")
        if side not in ("lower", "upper") or axis not in names:
            raise ConfigError("model.vanish names a face that does not exist", got=repr(entry),
                              expected="lower or upper and one of: " + ", ".join(names))  # fmt: skip
        faces.append((names.index(axis), side == "upper"))
    return Vanishing(tuple(faces)) if faces else None


def _recipe(model: DeepONetConfig, train: TrainConfig) -> Recipe[DeepONetConfig, OperatorConfig]:
    return Recipe[DeepONetConfig, OperatorConfig](model=model, task=OperatorConfig(), train=train, baselines=BASELINES)


_TRAIN = TrainConfig(
    batch_size=64, learning_rate=3e-3, weight_decay=0.0, clip=None, warmup=0.02, final_learning_rate=1e-5
)
_RECIPES = {
    "tiny": _recipe(DeepONetConfig(), _TRAIN.model_copy(update={"steps": 2000, "evaluate_every": 200})),
    "small": _recipe(
        DeepONetConfig(),
        _TRAIN.model_copy(
            update={"steps": 20_000, "batch_size": 1000, "evaluate_every": 1000, "checkpoint_every": 1000}
        ),
    ),
    "paper": _recipe(
        DeepONetConfig(),
        TrainConfig(
            steps=50_000,
            batch_size=10_000,
            learning_rate=1e-3,
            weight_decay=0.0,
            clip=None,
            warmup=0.0,
            final_learning_rate=1e-3,
            evaluate_every=1000,
            checkpoint_every=1000,
        ),
    ),
}
