"""Soft trees against what one would use instead: predicting, and matching two ensembles.

Predictions are those of 4096 rows of the ignition-like function below after both sides were fitted to 2000 rows; they
are not meant to agree, and the note has the errors. The peer of matching perfect trees from the leaves up is our own
search through the list of all symmetries, whose answer must be the same.
"""

from collections.abc import Iterable

import numpy as np
import torch

from benchmarks import Row, paired, version
from sciml.models import MLPRegressor, SoftTrees, SoftTreesRegressor
from sciml.nn.soft_tree import symmetries
from sciml.tools.trees import match_weights


def race(quick: bool) -> Iterable[Row]:
    """Rows for predictions and for matching (small ones if quick)."""
    yield from _predictions(quick)
    for trees, depth in ((16, 2),) if quick else ((64, 2), (64, 3), (256, 2)):
        yield _matching(trees, depth)


def _rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).uniform(-1.7, 1.7, (count, 6))
    front = 1 / (1 + np.exp(-6 * (x[:, 0] + 0.3 * x[:, 1] - 0.2 * x[:, 2] ** 2)))
    return x, 2 * front + 0.4 * np.sin(2 * x[:, 3]) + 0.2 * x[:, 4] * x[:, 5] - 0.5 * x[:, 0]


def _predictions(quick: bool) -> Iterable[Row]:
    from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor

    (x, y), (ask, true) = _rows(500 if quick else 2000, 0), _rows(4096, 1)
    ours = SoftTreesRegressor(trees=64, steps=50 if quick else 800).fit(x, y)
    boosted = GradientBoostingRegressor(n_estimators=300, random_state=0)
    peers = {
        "GradientBoostingRegressor": ("scikit-learn", boosted),
        "HistGradientBoostingRegressor": ("scikit-learn", HistGradientBoostingRegressor(max_iter=300)),
        "MLPRegressor of sciml": ("torch", MLPRegressor(steps=50 if quick else 800)),
    }
    size = sum(p.numel() for p in ours.map_.parameters())
    for name, (distribution, peer) in peers.items():
        peer.fit(x, y)
        errors = [np.mean(np.square(side.predict(ask) - true)) / true.var() for side in (ours, peer)]
        ours_s, peer_s = paired(lambda: ours.predict(ask), lambda peer=peer: peer.predict(ask))
        yield Row(case="predict 4096 rows, 64 oblivious trees of depth 2", ours_s=ours_s, peer=name,
                  peer_version=version(distribution), peer_s=peer_s,
                  note=f"{size} parameters; error over variance {errors[0]:.4f}, peer {errors[1]:.4f}")  # fmt: skip


def _matching(trees: int, depth: int) -> Row:
    torch.manual_seed(0)
    first, second = (SoftTrees(6, 1, trees=trees, depth=depth, kind="perfect") for _ in range(2))

    def listed() -> float:
        from scipy.optimize import linear_sum_assignment

        below = torch.tensor(first.form.below(), dtype=torch.float64)[:, None]
        (a, p), (b, q) = ([table.detach().double() for table in net.tables()] for net in (first, second))
        best = torch.full((trees, trees), -torch.inf, dtype=torch.float64)
        for symmetry in symmetries(first.form):
            turned = a[:, list(symmetry.order)] * torch.tensor(symmetry.signs)[:, None]
            splits = turned.flatten(1) @ (b * below).flatten(1).T
            best = torch.maximum(best, splits + p[:, list(symmetry.leaves)].flatten(1) @ q.flatten(1).T)
        rows, columns = linear_sum_assignment(best.numpy(), maximize=True)
        return float(best[rows, columns].sum())

    similarity = match_weights(first, second).similarity
    ours_s, peer_s = paired(lambda: match_weights(first, second), listed, repeats=5)
    return Row(case=f"match {trees} perfect trees of depth {depth}", ours_s=ours_s,
               peer=f"all {2 ** first.form.splits} symmetries one by one", peer_version=version("torch"),
               peer_s=peer_s, equal=abs(similarity - listed()) / abs(similarity))  # fmt: skip
