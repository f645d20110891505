"""From the code of a network to its cost, learned from measured networks."""

import itertools
import math
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
_REACH = 3.0  # standard deviations of the residual that the network may add


class CostPredictor(nn.Module):
    """ĉ(z) = (b + a·z) exp(σ r(z) + μ): a table of costs per choice, and networks for what does not add up.

    Positive for every code and every mixture of codes, and smooth. Frozen: it has buffers only.

    Arguments:
        base, table: b and a, none of them negative.
        residual: r, a number per code; None for the table alone.
        mean, std: μ and σ of the logarithm that the table leaves.
    """

    base: Tensor
    table: Tensor
    floor: Tensor

    def __init__(
        self,
        base: float,
        table: Float[Tensor, " entry"],
        *,
        floor: float,
        residual: nn.Module | None = None,
        mean: float = 0.0,
        std: float = 1.0,
    ) -> None:
        super().__init__()
        self.register_buffer("base", torch.tensor(base, dtype=torch.float64))
        self.register_buffer("table", table.double())
        self.register_buffer("floor", torch.tensor(floor, dtype=torch.float64))
        self.residual = None if residual is None else residual.double().eval().requires_grad_(False)
        self.mean, self.std = mean, std

    def forward(self, code: Float[Tensor, "*many entry"]) -> Float[Tensor, "*many"]:
        """Costs of codes, in the unit of the measurements."""
        added = (self.base + code.double() @ self.table).clamp_min(self.floor)
        if self.residual is None:
            return added
        more = _bounded(self.residual(code.double())) * self.std + self.mean
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


def fit_predictor(codes: Float[Tensor, "net entry"], costs: Float[Tensor, " net"], *, seed: int = 0) -> CostPredictor:
    """The table, then networks for the logarithm of what it misses, by AdamW on Huber's loss.

    Each of five networks is fitted without another fifth of the data. Their mean is added to the table, by the share of
    it that predicts those fifths best: none where costs add up, since networks would only add the noise of measuring.

    Arguments:
        codes: one-hot, by row.
        costs: measured; positive.
        seed: of weights and batches; the result is a function of it and the data.
    """
    table = fit_table(codes, costs)
    z, left = codes.double(), (costs.double() / table(codes)).log()
    mean, std = float(left.mean()), float(left.std(unbiased=False))
    if std < 1e-9:
        return table
    y, draw = (left - mean) / std, rng.generator(seed, "predictor")
    fold = torch.arange(len(z))[torch.randperm(len(z), generator=draw)] % _FOLDS
    networks = _fitted(z, y, fold, draw)
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
        residual=networks,
        mean=share * mean,
        std=share * std,
    )


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
