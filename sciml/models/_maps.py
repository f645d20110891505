"""Regressions in closed form from numbers to numbers: kernel ridge and Gaussian processes.

Inputs and outputs are meant to be of order one: whoever uses them standardises. All numbers are float64 buffers, so
that a fitted regression is saved, moved and exported like a network.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.models._known_settings import known_settings
from sciml.nn import Network


class KernelRidgeMap(Network):
    """y(x) = ȳ + Σ_n k(x, x_n) a_n with k(x, z) = exp(-γ |x - z|²) or (γ x·z + 1)^degree.

    Fitted by `fit`; before that it gives zeros. There may be fewer points and outputs than there is room for; the rest
    stays zero.

    Arguments:
        features, outputs: sizes of x and y.
        samples: room for points x_n.
        degree: of the polynomial kernel.

    Reference: Saunders, Gammerman, Vovk, "Ridge regression learning algorithm in dual variables", ICML (1998).
    """

    points: Tensor
    weights: Tensor
    mean: Tensor
    gamma: Tensor
    polynomial: Tensor

    def __init__(self, features: int, outputs: int, *, samples: int, degree: int = 3) -> None:
        super().__init__()
        self.degree = degree
        self.register_buffer("points", torch.zeros(samples, features, dtype=torch.float64))
        self.register_buffer("weights", torch.zeros(samples, outputs, dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(outputs, dtype=torch.float64))
        self.register_buffer("gamma", torch.ones((), dtype=torch.float64))
        self.register_buffer("polynomial", torch.zeros((), dtype=torch.bool))

    def forward(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch output"]:
        """y in float64."""
        x = x.to(self.points)
        products = x @ self.points.T
        squares = x.square().sum(1)[:, None] - 2 * products + self.points.square().sum(1)
        radial = torch.exp(-self.gamma * squares)
        kernel = torch.where(self.polynomial, (self.gamma * products + 1) ** self.degree, radial)
        return self.mean + kernel @ self.weights

    @torch.no_grad()
    def fit(
        self,
        x: Float[Tensor, "sample feature"],
        y: Float[Tensor, "sample output"],
        *,
        gammas: Sequence[float],
        alphas: Sequence[float],
        folds: int = 5,
    ) -> None:
        """Choose kernel, γ and penalty by cross-validation over samples, then fit to all of them.

        Arguments:
            x, y: at most as many samples as there is room for, and at most as many outputs.
            gammas, alphas: values of γ and penalties tried.
            folds: parts of the cross-validation.
        """
        from sklearn.kernel_ridge import KernelRidge
        from sklearn.model_selection import GridSearchCV, KFold

        x, y = x.to(self.points), y.to(self.points)
        mean = y.mean(0)
        choices = {"gamma": list(gammas), "alpha": list(alphas)}
        grid: list[dict[str, Any]] = [
            {"kernel": ["rbf"], **choices},
            {"kernel": ["poly"], "degree": [self.degree], "coef0": [1.0], **choices},
        ]
        split = KFold(max(2, min(folds, len(x))), shuffle=True, random_state=0)
        search = GridSearchCV(KernelRidge(), grid, cv=split, scoring="neg_mean_squared_error")
        with known_settings():
            search.fit(x.cpu().numpy(), (y - mean).cpu().numpy())
        best = search.best_estimator_
        count, outputs = y.shape
        for buffer in (self.points, self.weights, self.mean):
            buffer.zero_()
        self.points[:count], self.mean[:outputs] = x, mean
        self.weights[:count, :outputs] = torch.from_numpy(np.asarray(best.dual_coef_)).to(y).view(count, outputs)
        self.gamma.fill_(float(best.gamma))
        self.polynomial.fill_(best.kernel == "poly")


class Processes(Network):
    """Independent Gaussian processes with kernel v exp(-Σ_d (x_d - y_d)² / 2 l_d²) + noise, zero mean and given points.

    v, l and the noise maximise the marginal likelihood, one process after the other; variances are then calibrated on
    points that were left out, because the likelihood is too sure of the scales it finds. Fitted by `learn`; before that
    the means are zero.

    Arguments:
        count: of the processes.
        samples: room for the points of each.
        features: dimensions of x.

    Reference: Rasmussen, Williams, "Gaussian Processes for Machine Learning" (2006), algorithm 2.1.
    """

    points: Tensor
    scales: Tensor
    variance: Tensor
    dual: Tensor
    whiten: Tensor
    noise: Tensor
    inflation: Tensor

    def __init__(self, count: int, samples: int, features: int) -> None:
        super().__init__()
        for name, shape in {
            "points": (count, samples, features),
            "variance": (count,),
            "dual": (count, samples),
            "whiten": (count, samples, samples),
            "noise": (count,),
        }.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("scales", torch.ones(count, features, dtype=torch.float64))
        self.register_buffer("inflation", torch.ones(count, dtype=torch.float64))

    def _kernel(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch process sample"]:
        apart = (x[:, None, None] - self.points.transpose(0, 1)) / self.scales  # batch sample process feature
        return (self.variance * torch.exp(-0.5 * apart.square().sum(3))).transpose(1, 2)

    def mean(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch process"]:
        """The means alone."""
        return (self._kernel(x) * self.dual).sum(2)

    def forward(
        self, x: Float[Tensor, "batch feature"]
    ) -> tuple[Float[Tensor, "batch process"], Float[Tensor, "batch process"]]:
        """Mean, and variance of what is without noise; `noise` is the variance of that. Both are calibrated."""
        kernel = self._kernel(x)
        explained = torch.einsum("mkn,bmn->bmk", self.whiten, kernel).square().sum(2)
        return (kernel * self.dual).sum(2), self.inflation * (self.variance - explained).clamp_min(0.0)

    def learn(
        self,
        number: int,
        x: Float[Tensor, "sample feature"],
        wanted: Float[Tensor, " sample"],
        restarts: int,
        folds: int = 0,
    ) -> None:
        """Fit one process and calibrate it.

        Arguments:
            number: of the process.
            x, wanted: its points.
            restarts: further starting points of the search for its scales.
            folds: parts of the points that are left out in turn to calibrate the variance, with scales found without
                them; 0 leaves points out one by one with the same scales, which is cheap and still too sure.
        """
        self._fit(number, x, wanted, restarts)
        if folds > 1 and len(x) >= 2 * folds:
            order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).to(x.device)
            squares = []
            for held in order.chunk(folds):
                seen = order[~torch.isin(order, held)]
                part = Processes(1, len(seen), x.shape[1]).to(x.device)
                part._fit(0, x[seen], wanted[seen], 0)
                mean, variance = part(x[held])
                squares.append((mean[:, 0] - wanted[held]).square() / (variance[:, 0] + part.noise[0]))
            inflation = float(torch.cat(squares).mean())
        else:  # left out one by one, a point is missed by a_n / (K⁻¹)_nn with the variance 1 / (K⁻¹)_nn
            count = len(x)
            precision = self.whiten[number, :count, :count].square().sum(0)
            inflation = float((self.dual[number, :count].square() / precision).mean())
        self.inflation[number] = inflation
        self.noise[number] *= inflation

    def _fit(
        self, number: int, x: Float[Tensor, "sample feature"], wanted: Float[Tensor, " sample"], restarts: int
    ) -> None:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        size = float(wanted.std(correction=0))
        lengths: Any = [2.0] * x.shape[1]  # Any: scikit-learn's default, a single one, is taken for the type
        kernel = ConstantKernel(1.0, (1e-3, 1e4)) * RBF(lengths, (1e-2, 1e4)) + WhiteKernel(1e-3, (1e-8, 1e2))
        estimator = GaussianProcessRegressor(kernel, n_restarts_optimizer=restarts, random_state=0)
        with _quiet():
            estimator.fit(x.cpu().numpy(), (wanted / size).cpu().numpy())
        fitted = cast(Any, estimator.kernel_)  # Any: its type is that of the sum above
        self.points[number, : len(x)] = x
        self.variance[number] = float(fitted.k1.k1.constant_value) * size**2
        self.scales[number] = torch.as_tensor(fitted.k1.k2.length_scale).to(self.scales)
        apart = (x[:, None] - x) / self.scales[number]
        matrix = self.variance[number] * torch.exp(-0.5 * apart.square().sum(2))
        noise = (float(fitted.k2.noise_level) + 1e-10) * size**2
        eye = torch.eye(len(x), dtype=matrix.dtype, device=matrix.device)
        factor = torch.linalg.cholesky(matrix + noise * eye)
        # L⁻¹ k loses half as many digits as K⁻¹ k: K may have a condition of 1e14 where there is hardly any noise
        self.whiten[number, : len(x), : len(x)] = torch.linalg.solve_triangular(factor, eye, upper=False)
        self.dual[number, : len(x)] = torch.cholesky_solve(wanted[:, None], factor)[:, 0]
        self.inflation[number], self.noise[number] = 1.0, noise


def _quiet() -> AbstractContextManager[object]:
    """Scales at the end of their range are no reason to worry: a parameter that does not matter has them."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    return warnings.catch_warnings(action="ignore", category=ConvergenceWarning)
