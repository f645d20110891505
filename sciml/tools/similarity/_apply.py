"""Carrying out a plan: similarity in the place of linear layers."""

import torch
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.errors import UserError
from sciml.nn import BranchTrunkProduct
from sciml.nn.tversky import (
    FeatureBank,
    TverskyContraction,
    TverskyPointwise,
    TverskyProjection,
    TverskySimilarity,
)
from sciml.tools.similarity._config import HeadForm, SimilarityPlan

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_INITIAL_DIFFERENCE = 0.1  # of α and β relative to θ: differences start small, as they shift all answers alike


def apply_similarity(module: nn.Module, plan: SimilarityPlan) -> nn.Module:
    """The module with the plan's layers, changed in place; draws from generators of its own alone.

    A bank or prototypes that layers share are parameters of all of them. Where the replaced layer was linear, its rows
    become the prototypes, with the length that drawn ones have.

    Raises:
        UserError: the plan is of another module; nothing is changed then.
    """
    maker = _Maker(plan)
    fresh = {name: maker.make(name, _layer(module, name, form), form) for name, form in plan.layers.items()}
    for name, layer in fresh.items():
        parent, _, short = name.rpartition(".")
        setattr(module.get_submodule(parent), short, layer)
    return module


def replacement(name: str, layer: nn.Module, form: HeadForm, plan: SimilarityPlan) -> nn.Module:
    """The layer that a plan puts in the place of one."""
    return _Maker(plan).make(name, layer, form)


class _Maker:
    """Makes the layers of one plan, with what they share."""

    def __init__(self, plan: SimilarityPlan) -> None:
        self.plan, self.measure = plan, plan.measure.measure()
        self.banks: dict[str, FeatureBank] = {}
        self.prototypes: dict[str, nn.Parameter] = {}

    def make(self, name: str, layer: nn.Module, form: HeadForm) -> nn.Module:
        """The layer of a form, on the device and in the precision of the one it replaces."""
        like = next(iter(layer.parameters()), torch.zeros(()))
        if isinstance(layer, BranchTrunkProduct):
            made: nn.Module = self._contraction(name, form)
        else:
            made = self._head(name, layer, form)
            if isinstance(layer, CONVOLUTIONS):
                made = TverskyPointwise(made) if isinstance(made, TverskyProjection) else AtPoints(made)
        return made.to(like.device, like.dtype)

    def _contraction(self, name: str, form: HeadForm) -> nn.Module:
        if self.plan.kind == "linear":
            return BranchTrunkProduct()
        if self.plan.kind == "mlp":
            return PairPerceptron(form.channels_in, form.features, self._generator(name))
        return TverskyContraction(self._similarity(form), form.shift)

    def _head(self, name: str, layer: nn.Module, form: HeadForm) -> nn.Module:
        sizes = form.channels_in, form.channels_out
        if self.plan.kind != "tversky":
            return _plain(self.plan.kind, *sizes, form.features, form.bias, self._generator(name))
        shared = self.prototypes.get(form.prototypes)
        made = TverskyProjection(
            *sizes,
            self._similarity(form),
            prototypes=shared,
            bias=form.bias,
            nonnegative=form.nonnegative,
            generator=self._generator(name),
        )
        if shared is None:
            self.prototypes[form.prototypes] = made.prototypes
            if not form.nonnegative:
                rows = torch.as_tensor(layer.weight).detach().flatten(1).to(made.prototypes)
                length = made.prototypes.norm(dim=1).mean()
                made.prototypes.data = rows / rows.norm(dim=1, keepdim=True).mean().clamp(min=1e-12) * length
        if made.bias is not None:
            nn.init.constant_(made.bias, form.shift)
        return made

    def _similarity(self, form: HeadForm) -> TverskySimilarity:
        if form.bank not in self.banks:
            self.banks[form.bank] = FeatureBank(
                form.features,
                form.channels_in,
                nonnegative=form.nonnegative,
                generator=self._generator(f"bank {form.bank}"),
            )
        part = _INITIAL_DIFFERENCE * form.scale
        theta = 1.0 if self.plan.measure.model == "ratio" else form.scale
        part = 0.5 if self.plan.measure.model == "ratio" else part
        return TverskySimilarity(self.banks[form.bank], measure=self.measure, theta=theta, alpha=part, beta=part)

    def _generator(self, name: str) -> torch.Generator:
        return rng.generator(self.plan.seed, name)


class AtPoints(nn.Module):
    """A layer of channels, at every point of a field.

    Arguments:
        inner: maps the last axis.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """The field with other channels."""
        return self.inner(x.movedim(1, -1)).movedim(-1, 1)


class PairPerceptron(nn.Module):
    """v·relu(W [b; t] + c) + d: a perceptron of a function's coefficients and the basis at a query, as a baseline.

    Arguments:
        channels: of each of both.
        width: hidden neurons.
        generator: of the weights.
    """

    def __init__(self, channels: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = _linear(channels, width, True, generator)
        self.second = _linear(channels, width, False, generator)
        self.last = _linear(width, 1, True, generator)

    def forward(self, coefficients: Tensor, basis: Tensor) -> Tensor:
        """The fields, as of `BranchTrunkProduct`."""
        ours, theirs = self.first(coefficients)[:, None], self.second(basis)
        hidden = ours + (theirs if basis.ndim == 4 else theirs[None])
        return self.last(hidden.relu())[..., 0]


def _plain(kind: str, channels_in: int, channels_out: int, width: int, bias: bool, draw: torch.Generator) -> nn.Module:
    if kind == "linear":
        return _linear(channels_in, channels_out, bias, draw)
    hidden = _linear(channels_in, width, True, draw)
    return nn.Sequential(hidden, nn.ReLU(), _linear(width, channels_out, bias, draw))


def _linear(channels_in: int, channels_out: int, bias: bool, generator: torch.Generator) -> nn.Linear:
    """A linear layer as torch draws it, from a generator."""
    layer = nn.Linear(channels_in, channels_out, bias=bias, device="meta").to_empty(device="cpu")
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -(channels_in**-0.5), channels_in**-0.5, generator=generator)
    return layer


def obstacle(layer: nn.Module) -> str:
    """Why a layer cannot be replaced; empty if it can."""
    if isinstance(layer, BranchTrunkProduct) or type(layer) is nn.Linear:
        return ""
    if type(layer) in CONVOLUTIONS:
        kernel, stride, groups = (getattr(layer, name) for name in ("kernel_size", "stride", "groups"))
        if set(kernel) == {1} and set(stride) == {1} and groups == 1:
            return ""
        return f"it is a convolution of {' x '.join(map(str, kernel))} points, not of one"
    return f"it is a {type(layer).__name__}, not a linear layer"


def _layer(module: nn.Module, name: str, form: HeadForm) -> nn.Module:
    """The layer that a plan names."""
    layer = dict(module.named_modules()).get(name)
    reason = f"it has no layer {name!r}" if not name or layer is None else ""
    if layer is not None and not reason:
        if why := obstacle(layer):
            reason = f"its layer {name!r}: {why}"
        elif not isinstance(layer, BranchTrunkProduct) and sizes_of(layer) != (form.channels_in, form.channels_out):
            reason = f"its layer {name!r} has {sizes_of(layer)} channels"
    if layer is None or reason:
        raise UserError(
            "a similarity plan does not fit this module",
            got=reason,
            expected="a module with the layers the plan was made for",
            fix="Take the plan and the recipe from the same run.",
        )
    return layer


def sizes_of(layer: nn.Module) -> tuple[int, int]:
    """Channels in and out of a linear layer or a convolution of one point."""
    rows, columns = torch.as_tensor(layer.weight).shape[:2]
    return columns, rows
