"""The probe `prototypes`."""

import numpy as np
import pydantic
import torch
import xarray
from torch import Tensor, nn

from sciml.core.capabilities import Classifies
from sciml.core.config import Config
from sciml.core.errors import UnknownNameError, UnsupportedError
from sciml.core.types import Support
from sciml.nn import BranchTrunkProduct
from sciml.nn.tversky import TverskyContraction, TverskyProjection, TverskySimilarity, parse_query, rank
from sciml.tools._contract import Findings, FindingsFigure, FindingsPictures, FindingsTable, Probe, Subject
from sciml.tools.similarity._apply import obstacle
from sciml.tools.similarity._objects import Objects, in_data_space, objects_of
from sciml.tools.similarity._plan import layer_uses
from sciml.tools.similarity._tool import CITATION, supports_similarity
from sciml.train import AnySolver

_MOST_SHOWN = 8


class PrototypesConfig(Config):
    """Which samples are looked at through which layer."""

    layer: str = ""
    """Its name; empty for the last one with prototypes, or else the linear layer called last, whose rows stand for
    features and prototypes."""
    query: str = ""
    """A set of features such as ``p1 & p2 - p3``, by which samples are ranked. Names are those of classes, p1, p2, … of
    prototypes, s0, s1, … of samples, f1, f2, … of single features; & and - bind alike, | after them."""
    samples: int = pydantic.Field(default=200, ge=2)
    """How many training samples, the first ones."""
    top: int = pydantic.Field(default=5, ge=1)
    """How many are named at each end of a ranking."""
    fit_steps: int = pydantic.Field(default=60, ge=0)
    """Steps of the search for what a prototype would be among the data."""


class PrototypesProbe(Probe[PrototypesConfig]):
    """What the prototypes of a layer stand for: nearest samples, samples by salience and by queries, pictures."""

    key = "prototypes"
    title = "Prototypes and salience"
    citation = CITATION
    config = PrototypesConfig

    def supports(self, solver: AnySolver) -> Support:
        """What the tool similarity supports."""
        return supports_similarity(solver)

    def probe(self, subject: Subject, config: PrototypesConfig) -> Findings:
        """Look at the first training samples; the data are made or opened."""
        name, layer = _layer(subject, config.layer)
        objects = objects_of(subject, layer, config.samples)
        names = _names(subject, len(objects.prototypes))
        saliences = objects.samples.sum(1)
        dead = (objects.samples <= 0).all(0) & (objects.prototypes <= 0).all(0)
        words = [
            f"{len(objects.samples)} training samples through {name}: {objects.samples.shape[1]} features, of which "
            f"{int(dead.sum())} are had by no sample and no prototype."
        ]
        words += _weights(layer)
        metrics = {"features": float(objects.samples.shape[1]), "dead": float(dead.sum())}
        tables = [_ranking("Samples by salience", saliences, config.top)]
        arrays: dict[str, tuple[object, ...]] = {
            "salience": ("sample", saliences.numpy(), {"units": "1", "long_name": "salience"})
        }
        if config.query:
            score = rank(objects.samples, parse_query(config.query, _sets(objects, names)))
            tables.append(_ranking(f"Samples by {config.query}", score, config.top))
            arrays["query"] = ("sample", score.numpy(), {"units": "1", "long_name": f"salience in {config.query}"})
        figures, pictures = (), ()
        if len(names):
            near = torch.cdist(objects.targets, objects.vectors).argmin(1)
            inverted, left = in_data_space(subject, layer, objects, near, config.fit_steps)
            tables.insert(0, _prototypes(objects, names, near, left))
            figures, pictures = _drawn(names, objects.data[near], inverted)
            if pictures:
                arrays["nearest"] = (("picture", "y", "x"), _planes(objects.data[near])[: len(pictures[0].captions)])
                arrays["searched"] = (("picture", "y", "x"), _planes(inverted)[: len(pictures[0].captions)])
        return Findings(metrics, xarray.Dataset(arrays), tuple(words), tuple(tables), figures, pictures)


def _layer(subject: Subject, name: str) -> tuple[str, nn.Module]:
    layers = dict(subject.module.named_modules())
    if name:
        if name not in layers:
            raise UnknownNameError("layer", name, [key for key in layers if key])
        return name, layers[name]
    kinds = (TverskyProjection, TverskyContraction)
    chosen = [key for key, layer in layers.items() if isinstance(layer, kinds)]
    if not chosen:
        chosen = [key for key in layer_uses(subject, subject.module) if _has_rows(layers[key])]
    if not chosen:
        raise UnsupportedError("no layer of this module can be looked at: none has prototypes or is linear",
                               fix="Apply the tool similarity first.")  # fmt: skip
    return chosen[-1], layers[chosen[-1]]


def _has_rows(layer: nn.Module) -> bool:
    return not isinstance(layer, BranchTrunkProduct) and not obstacle(layer)


def _names(subject: Subject, count: int) -> list[str]:
    """Names of prototypes: those of classes, where there is one for each."""
    problem = subject.problem
    if isinstance(problem, Classifies) and len(problem.classes) == count:
        return list(problem.classes)
    return [f"p{number + 1}" for number in range(count)]


def _sets(objects: Objects, names: list[str]) -> dict[str, Tensor]:
    single = torch.eye(objects.samples.shape[1], dtype=torch.bool)
    return {
        **{f"f{number + 1}": row for number, row in enumerate(single)},
        **{f"s{number}": row > 0 for number, row in enumerate(objects.samples)},
        **{f"p{number + 1}": row > 0 for number, row in enumerate(objects.prototypes)},
        **{name: row > 0 for name, row in zip(names, objects.prototypes, strict=True)},
    }


def _weights(layer: nn.Module) -> list[str]:
    """What the similarity learned to weigh."""
    similarity = getattr(layer, "similarity", None)
    if not isinstance(similarity, TverskySimilarity):
        return []
    theta, alpha, beta = (float(value.detach()) for value in (similarity.theta, similarity.alpha, similarity.beta))
    return [
        f"Common features weigh θ = {theta:.3g}, features of the first alone α = {alpha:.3g}, of the second alone "
        f"β = {beta:.3g}; the first is {_first(layer)}."
    ]


def _first(layer: nn.Module) -> str:
    return "the function, the second the query" if isinstance(layer, TverskyContraction) else "the input"


def _ranking(title: str, scores: Tensor, top: int) -> FindingsTable:
    """The samples with the largest and the smallest scores."""
    order = scores.argsort(descending=True, stable=True).tolist()
    ends = order if len(order) <= 2 * top else [*order[:top], *order[-top:]]
    rows = tuple((f"s{number}", order.index(number) + 1, float(scores[number])) for number in ends)
    return FindingsTable(title, ("sample", "rank", "salience"), rows)


def _prototypes(objects: Objects, names: list[str], near: Tensor, left: Tensor) -> FindingsTable:
    columns = ("prototype", "features", "salience", "nearest sample", "distance left by the search in %")
    has = objects.prototypes > 0
    rows = tuple(
        (name, int(has[i].sum()), float(objects.prototypes[i].relu().sum()), f"s{int(near[i])}", 100 * float(left[i]))
        for i, name in enumerate(names)
    )
    return FindingsTable("Prototypes", columns, rows, "salience")


def _drawn(
    names: list[str], nearest: Tensor, inverted: Tensor
) -> tuple[tuple[FindingsFigure, ...], tuple[FindingsPictures, ...]]:
    """Nearest samples and prototypes among the data: pictures of planes, lines of everything else."""
    shown = names[:_MOST_SHOWN]
    if nearest.ndim >= 3 and min(nearest.shape[-2:]) > 1:
        return (), (
            FindingsPictures("Samples nearest to prototypes", "nearest", tuple(shown)),
            FindingsPictures("Prototypes among the data, by search", "searched", tuple(shown)),
        )
    if nearest[0].numel() < 2:
        return (), ()
    places = tuple(float(place) for place in range(1, nearest[0].numel() + 1))

    def lines(values: Tensor) -> dict[str, tuple[tuple[float, ...], tuple[float, ...]]]:
        return {name: (places, tuple(row.flatten().tolist())) for name, row in zip(shown, values, strict=False)}

    x, y = "component of the sample", "value"
    return (
        FindingsFigure("Samples nearest to prototypes", x, y, lines(nearest)),
        FindingsFigure("Prototypes among the data, by search", x, y, lines(inverted)),
    ), ()


def _planes(values: Tensor) -> np.ndarray:
    """The first plane of every sample."""
    return values.reshape(len(values), -1, *values.shape[-2:])[:, 0].float().numpy()
