"""From the code of a network to its cost, learned from measured networks."""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciml.core import rng

_WIDTHS = (128, 64)
_FOLDS = 5
_SHARES = torch.linspace(0, 1, 11, dtype=torch.float64)  # of what the networks say that may be added to the table
_EPOCHS, _BATCH, _RATE, _DECAY = 300, 64, 2e-3, 1e-2
_HELD_OUT = 0.2
_FLOOR = 1e-3  # of the smallest measured cost: the least an additive model may say
_RIDGE = 1e-3  # of logarithms of factors: choices of a slot sum to one, so that the factors are not unique
_BETTER = 0.98  # of the other table's error, or costs add up: a difference smaller than that is chance
_REACH = 3.0  # standard deviations of the residual that the network may add


class CostPredictor(nn.Module):
    """ĉ(z) = (b + a·z) exp(c·z + σ r(z) + μ): costs that add up or multiply, and networks for the rest.

    Positive for every code and every mixture of codes, and smooth. Frozen: it has buffers only.

    Arguments:
        base, table: b and a, none of them negative.
        factors: c, logarithms; None for costs that add up.
        residual: r, a number per code; None for the table alone.
        mean, std: μ and σ of the logarithm that the table leaves.
    """

    base: Tensor
    table: Tensor
    factors: Tensor
    floor: Tensor

    def __init__(
        self,
        base: float,
        table: Float[Tensor, " entry"],
        *,
        floor: float,
        factors: Float[Tensor, " entry"] | None = None,
        residual: nn.Module | None = None,
        mean: float = 0.0,
        std: float = 1.0,
    ) -> None:
        super().__init__()
        self.register_buffer("base", torch.tensor(base, dtype=torch.float64))
        self.register_buffer("table", table.double())
        self.register_buffer("factors", torch.zeros_like(self.table) if factors is None else factors.double())
        self.register_buffer("floor", torch.tensor(floor, dtype=torch.float64))
        self.residual = None if residual is None else residual.double().eval().requires_grad_(False)
        self.mean, self.std = mean, std

    def forward(self, code: Float[Tensor, "*many entry"]) -> Float[Tensor, "*many"]:
        """Costs of codes, in the unit of the measurements."""
        z = code.double()
        added, more = (self.base + z @ self.table).clamp_min(self.floor), z @ self.factors
        if self.residual is not None:
            more = more + _bounded(self.residual(z)) * self.std + self.mean
        return added * more.exp()


class Accuracy(NamedTuple):
    """How well costs of networks that were held out are predicted.

    Fields:
        error: mean of |p - t| / t.
        tau: Kendall's rank correlation.
        additive, flops: the same error of the table alone, and of a straight line over the FLOPs.
        nets: networks held out.
        predicted, measured: of these.
    """

    error: float
    tau: float
    additive: float
    flops: float
    nets: int
    predicted: tuple[float, ...]
    measured: tuple[float, ...]


def fit_table(codes: Float[Tensor, "net entry"], costs: Float[Tensor, " net"]) -> CostPredictor:
    """The non-negative table with the least squares of relative errors."""
    from scipy.optimize import nnls  # takes a second to load, and only searches use it

    t = costs.double().numpy()
    design = np.concatenate([np.ones((len(t), 1)), codes.double().numpy()], axis=1) / t[:, None]
    shares = nnls(design, np.ones(len(t)))[0]
    return CostPredictor(float(shares[0]), torch.from_numpy(shares[1:]), floor=_FLOOR * float(t.min()))


def fit_factors(codes: Float[Tensor, "net entry"], costs: Float[Tensor, " net"]) -> CostPredictor:
    """The table of factors with the least squares of the logarithm, by ridge regression."""
    z, logs = codes.double(), costs.double().log()
    centre, mean = z.mean(dim=0), logs.mean()
    square = (z - centre).mT @ (z - centre) + _RIDGE * torch.eye(z.shape[1], dtype=torch.float64)
    factors = torch.linalg.solve(square, (z - centre).mT @ (logs - mean))
    return CostPredictor(float((mean - centre @ factors).exp()), torch.zeros_like(factors), floor=0.0, factors=factors)


def fit_predictor(codes: Float[Tensor, "net entry"], costs: Float[Tensor, " net"], *, seed: int = 0) -> CostPredictor:
    """A table of costs that add up or that multiply, then networks for the logarithm of what it misses, by AdamW.

    Costs multiply where that predicts fifths of the data better that a table was not fitted to. Each of five networks
    is fitted without another fifth, too. Their mean is added by the share that predicts those fifths best: none where
    the table says all, since networks would only add the noise of measuring.

    Arguments:
        codes: one-hot, by row.
        costs: measured; positive.
        seed: of weights and batches; the result is a function of it and the data.
    """
    draw = rng.generator(seed, "predictor")
    fold = torch.arange(len(codes))[torch.randperm(len(codes), generator=draw)] % _FOLDS
    z, t = codes.double(), costs.double()
    multiplies = _missed(fit_factors, z, t, fold) < _BETTER * _missed(fit_table, z, t, fold)
    table = fit_factors(z, t) if multiplies else fit_table(z, t)
    left = (t / table(z)).log()
    mean, std = float(left.mean()), float(left.std(unbiased=False))
    if std < 1e-9:
        return table
    networks = _fitted(z, (left - mean) / std, fold, draw)
    with torch.no_grad():
        held = _bounded(networks.each(z)).gather(0, fold[None]).squeeze(0)
    misses = ((_SHARES[:, None] * (std * held + mean) - left).exp() - 1).abs().mean(dim=1)
    share = float(_SHARES[misses.argmin()])
    if share == 0:
        return table
    return CostPredictor(
        float(table.base),
        table.table,
        floor=float(table.floor),
        factors=table.factors,
        residual=networks,
        mean=share * mean,
        std=share * std,
    )


def _missed(fit: Callable[[Tensor, Tensor], CostPredictor], z: Tensor, t: Tensor, fold: Tensor) -> float:
    """Summed relative error of a table on folds that it was not fitted to."""
    parts = [(fit(z[fold != k], t[fold != k]), fold == k) for k in range(_FOLDS) if bool((fold == k).any())]
    return sum(float(((table(z[held]) - t[held]) / t[held]).abs().sum()) for table, held in parts)


def _fitted(z: Tensor, y: Tensor, fold: Tensor, draw: torch.Generator) -> "_Networks":
    """One network without each fold, all of them trained side by side."""
    networks = _Networks(z.shape[1], draw)
    kept = [torch.nonzero(fold != k).squeeze(1) for k in range(_FOLDS)]
    count = min(len(rows) for rows in kept)  # folds differ by one network at most
    optimiser = torch.optim.AdamW(networks.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _EPOCHS * math.ceil(count / _BATCH))
    for _ in range(_EPOCHS):
        order = torch.stack([rows[torch.randperm(len(rows), generator=draw)[:count]] for rows in kept])
        for rows in order.split(_BATCH, dim=1):
            with torch.enable_grad():
                loss = _FOLDS * functional.huber_loss(_bounded(networks.each(z[rows])), y[rows])
                optimiser.zero_grad()
                loss.backward()
            optimiser.step()
            schedule.step()
    return networks


def _bounded(said: Tensor) -> Tensor:
    return _REACH * torch.tanh(said / _REACH)


def assess(
    codes: Float[Tensor, "net entry"], costs: Float[Tensor, " net"], flops: Float[Tensor, " net"], *, seed: int = 0
) -> Accuracy:
    """Fit to four fifths of some measured networks and predict the last fifth, beside what one would do without."""
    from scipy.stats import kendalltau

    order = torch.randperm(len(costs), generator=rng.generator(seed, "held out"))
    count = max(1, round(_HELD_OUT * len(costs)))
    test, train = order[:count], order[count:]
    true = costs[test].double()
    said = fit_predictor(codes[train], costs[train], seed=seed)(codes[test])
    added = fit_table(codes[train], costs[train])(codes[test])
    line = fit_table(flops[train, None].double() / float(flops.max().clamp_min(1)), costs[train])
    straight = line(flops[test, None].double() / float(flops.max().clamp_min(1)))
    result = kendalltau(said.numpy(), true.numpy())
    tau = float(result.statistic) if count > 1 else 1.0  # pyright: ignore[reportAttributeAccessIssue] (SciPy's result)
    return Accuracy(
        error=relative(said, true),
        tau=0.0 if math.isnan(tau) else float(tau),
        additive=relative(added, true),
        flops=relative(straight, true),
        nets=count,
        predicted=tuple(said.tolist()),
        measured=tuple(true.tolist()),
    )


def relative(said: Float[Tensor, " net"], true: Float[Tensor, " net"]) -> float:
    """Mean of |p - t| / t."""
    return float(((said - true).abs() / true).mean())


class _Networks(nn.Module):
    """As many small networks as there are folds, side by side; weights come from a generator, not from torch's own."""

    def __init__(self, entries: int, draw: torch.Generator) -> None:
        super().__init__()
        sizes = list(itertools.pairwise((entries, *_WIDTHS, 1)))
        self.weights = nn.ParameterList(
            torch.randn(_FOLDS, a, b, generator=draw, dtype=torch.float64) / math.sqrt(a) for a, b in sizes
        )
        self.biases = nn.ParameterList(torch.zeros(_FOLDS, 1, b, dtype=torch.float64) for _, b in sizes)

    def each(self, z: Float[Tensor, "*fold row entry"]) -> Float[Tensor, "fold row"]:
        """What every network says of the same rows, or of its own."""
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = functional.silu(z) if number else z.expand(_FOLDS, *z.shape[-2:])
            z = torch.baddbmm(bias, z, weight)
        return z.squeeze(-1)

    def forward(self, z: Float[Tensor, "*many entry"]) -> Float[Tensor, "*many"]:
        """Their mean."""
        return self.each(z.reshape(-1, z.shape[-1])).mean(dim=0).reshape(z.shape[:-1])
