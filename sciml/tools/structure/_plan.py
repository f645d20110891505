"""Choosing a structure for every layer within a budget of FLOPs."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import nn

from sciml.core import rng
from sciml.core.errors import UserError
from sciml.nn import dense_matrices, matrices, shape_of
from sciml.nn.structured import Gaudi, Rectangle, Rectangles, Shape, component_list, rectangles_cost
from sciml.tools._budget import Choice, deal_out, layers_within
from sciml.tools.structure._config import Family, LayerForm, StructureConfig, StructurePlan
from sciml.tools.structure._families import Wanted, offers_of
from sciml.tools.structure._find import MOST_COMPONENTS

_SMALLEST = 4  # rows and entries of a row; below that no structure is cheaper by more than a few products

_Named = tuple[Family, LayerForm, int]
"""A family, its form of a layer, and the multiplications of that with one vector."""


def plan_structure(
    module: nn.Module, predict: Callable[[], object], config: StructureConfig, *, seed: int = 0
) -> StructurePlan:
    """Structures of a module's layers for a budget, from their weights and from one prediction.

    Arguments:
        module: trained; its layers may have a structure already, and get a cheaper one.
        predict: makes one prediction with `module`.
        config: the budget, what layers may become, and layers to leave alone.
        seed: of what the search for blocks draws.

    Raises:
        UserError: the budget cannot be met (with the least share that can), or no layer can be structured.
        UnknownNameError: a name in ``config.keep`` is not one of a layer.
    """
    flops, skipped = layers_within(module, predict, config)
    if config.start == "scratch":
        return _from_scratch(module, flops, skipped, config, seed)
    allocation = deal_out(
        flops,
        config.flops,
        skipped,
        lambda name, count: _choices(module.get_submodule(name), count, config, rng.derive(seed, "structure", name)),
        "structured",
    )
    named = {name: choice.form for name, choice in allocation.chosen.items() if choice.form is not None}
    plan = StructurePlan(
        layers={name: form for name, (_, form, _) in named.items()},
        families={name: family for name, (family, _, _) in named.items()},
        skipped=allocation.skipped,
        discarded={name: choice.discarded for name, choice in allocation.chosen.items()},
        shares={name: choice.flops / flops[name] for name, choice in allocation.chosen.items()},
        flops=allocation.flops,
    )
    return _learned(module, flops, plan, config) if config.learn and config.finetune_steps else plan


def _choices(layer: nn.Module, flops: int, config: StructureConfig, seed: int) -> tuple[str, list[Choice[_Named]]]:
    """Why a layer is left alone, or the structures that make it cheaper."""
    values, shape = dense_matrices(layer), shape_of(layer)
    if min(shape.rows, shape.width) < _SMALLEST:
        return f"a {shape.rows} x {shape.width} matrix is too small for blocks", []
    if not torch.isfinite(torch.view_as_real(values) if values.is_complex() else values).all():
        return "its weight holds values that are not finite", []
    now = _multiplications(layer)
    wanted = Wanted(values, shape, config.flops * now / shape.entries, config.cells, config.fit_steps, seed)
    offers = [
        Choice[_Named](
            (family, offer.form, offer.multiplications), flops * offer.multiplications / now, offer.discarded
        )
        for family in config.families
        for offer in offers_of(family, wanted)
        if offer.multiplications < now
    ]
    if not offers:
        return (
            f"no cheaper structure of a {shape.rows} x {shape.width} matrix is among {', '.join(config.families)}",
            [],
        )
    return "", offers


def _multiplications(layer: nn.Module) -> float:
    """Of a layer as it is, with one vector."""
    values, _, share = matrices(layer)
    return (values.shape[1] + values.shape[2]) / share


def _learned(
    module: nn.Module, flops: Mapping[str, int], plan: StructurePlan, config: StructureConfig
) -> StructurePlan:
    """The plan with blocks that move in training, from where they were found."""
    layers, learned, total = dict(plan.layers), 0.0, sum(flops.values())
    for name, form in plan.layers.items():
        if plan.families[name] != "gblr" or not isinstance(form, Rectangles):
            continue
        layer = module.get_submodule(name)
        shape = shape_of(layer)
        rank = -(-min(shape.rows, shape.width) // MOST_COMPONENTS)
        components = component_list(form.blocks, shape.taps, rank)
        calls = flops[name] / _multiplications(layer) / total
        budget = calls * rectangles_cost(form.blocks, shape.taps)
        layers[name] = Gaudi(components=tuple(components), cells=config.cells, calls=calls, budget=budget)
        learned += budget
    return plan.model_copy(update={"layers": layers, "others": plan.flops - learned})


def _from_scratch(
    module: nn.Module, flops: Mapping[str, int], skipped: dict[str, str], config: StructureConfig, seed: int
) -> StructurePlan:
    """Half of every layer's cost in blocks that are all of it, the rest in short ones at random places."""
    names = [name for name in flops if name not in skipped]
    if not names:
        raise UserError("no layer of this module can be structured",
                        got="; ".join(f"{name}: {reason}" for name, reason in skipped.items()) or "no layers",
                        expected="at least one linear or convolution layer with a matrix")  # fmt: skip
    total = float(sum(flops.values()))
    others = 1 - sum(flops[name] for name in names) / total
    budget = config.flops - others
    layers = {name: module.get_submodule(name) for name in names}
    shapes = {name: shape_of(layer) for name, layer in layers.items()}
    calls = {name: flops[name] / _multiplications(layer) / total for name, layer in layers.items()}
    least = others + sum(calls[name] * 2 * (shapes[name].rows + shapes[name].width) for name in names)
    if least > config.flops:
        raise UserError("the FLOPs budget cannot be met from scratch, where every layer begins with two blocks",
                        got=f"flops={config.flops:g}", expected=f"at least {math.ceil(1000 * least) / 1000:g}",
                        fix="Set flops to that or more, or leave fewer layers as they are.")  # fmt: skip
    dense = {name: calls[name] * shapes[name].entries for name in names}
    share = budget / sum(dense.values())
    return StructurePlan(
        layers={
            name: Gaudi(
                components=_beginning(shapes[name], share, rng.derive(seed, "structure", name)),
                cells=config.cells,
                calls=calls[name],
                budget=share * dense[name],
            )
            for name in names
        },
        families=dict.fromkeys(names, "gblr"),
        shares=dict.fromkeys(names, share),
        skipped=skipped,
        flops=config.flops,
        others=others,
    )


def _beginning(shape: Shape, share: float, seed: int) -> tuple[Rectangle, ...]:
    full = min(shape.rows, shape.width)
    rank = -(-full // MOST_COMPONENTS)
    most = share * shape.entries / (rank * (shape.rows + shape.width))  # components of full length
    count, long = -(-full // rank), max(1, round(0.5 * most))
    length = min(1.0, max(0.0, most - long) / max(1, count - long))
    sides = (max(1, round(length * shape.rows)), max(1, round(length * shape.columns)))
    draw = torch.Generator().manual_seed(seed)
    short = [
        Rectangle(
            rows=(int(torch.randint(shape.rows, (), generator=draw)), sides[0]),
            columns=(int(torch.randint(shape.columns, (), generator=draw)), sides[1]),
            rank=min(rank, sides[0], sides[1] * shape.taps),
        )
        for _ in range(count - long)
    ]
    whole = Rectangle(rows=(0, shape.rows), columns=(0, shape.columns), rank=rank)
    return (*[whole] * long, *short)
