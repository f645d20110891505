"""Smooth surfaces through scattered noisy points, with derivatives: what splines are for curves, in space and time.

    u = A + B N,   N ~ GP(0, s² exp(− Σ_i (c_i − c'_i)²/2 l_i²)),   y = u + σ ε

A and B are the problem's, so that what is known exactly is kept. Lengths, size and, where it is not known, noise are
those of the largest marginal likelihood; the posterior mean of N and its derivatives are sums over the points.

Reference: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT Press 2006, ch. 5.
"""

import math

import torch
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.models import StackedJet as Jet
from sciml.solvers.discovery._places import Places, inputs_from, scales_of
from sciml.tasks.discovery import HiddenTermModule, Measured, Visited

ITERATIONS = 80
"""Of L-BFGS on the marginal likelihood."""


class Surfaces(HiddenTermModule):
    """Smooth surfaces of all trajectories and fields, each with lengths of its own.

    Arguments:
        problem: gives the known part and the ansatz.
        seen: the observations.
    """

    weight: Tensor
    length: Tensor

    def __init__(self, problem: HasHiddenTerm, seen: tuple[Observations, ...]) -> None:
        super().__init__()
        self.problem, self.seen, self.scales = problem, seen, scales_of(problem, seen)
        self.columns = problem.rate_equation.columns
        self.bends = sorted({column.axis for column in self.columns if column.order == 2})
        most, channels = max(len(entry.values) for entry in seen), len(problem.fields)
        dims = seen[0].coordinates.shape[1]
        self.register_buffer("weight", torch.zeros(len(seen), most, channels, dtype=torch.float64))
        self.register_buffer("length", torch.ones(len(seen), channels, dims, dtype=torch.float64))

    def smooth(self) -> None:
        """Fit lengths and weights of every surface."""
        for k, entry in enumerate(self.seen):
            places = self._places(k, entry.coordinates)
            points, offset, factor = places.scaled[0], places.offset[0, 0], places.factor[0, 0]
            for c in range(entry.values.shape[1]):
                unit = float(self.scales.field[c])
                target, slope = (entry.values[:, c].double() - offset[:, c]) / unit, factor[:, c]
                sigma = None if entry.sigma is None else float(entry.sigma[c]) / unit
                length, weight = _fitted(points, target, slope, sigma)
                self.length[k, c], self.weight[k, : len(weight), c] = length, weight

    def at(self, places: Visited) -> tuple[Tensor, Tensor]:
        """Inputs of the known part, ``point input``, and time derivative, ``point channel``; NaN at NaN."""
        inputs = torch.zeros(len(places.trajectory), len(self.columns), dtype=torch.float64)
        rate = torch.zeros(len(places.trajectory), len(self.problem.fields), dtype=torch.float64)
        for k in places.trajectory.unique().tolist():
            rows = places.trajectory == k
            local = self._places(k, places.coordinates[rows].double())
            jet = local.state(self._free(k, local.scaled[0]), 1, self.scales.field)
            inputs[rows], rate[rows] = inputs_from(jet, self.columns)[0, 0], jet.first[0][0, 0]
        return inputs, rate

    def fields(self, places: Visited) -> Tensor:
        """The fields at the places, ``point channel``."""
        return self.at(places)[0][:, self.problem.rate_equation.field_columns]

    def remainder(self, places: Visited) -> tuple[Tensor, Tensor]:
        """Inputs and what the known part does not explain of the time derivative."""
        inputs, rate = self.at(places)
        equation = self.problem.rate_equation
        scalars = {name: inputs.new_full((len(inputs),), guess) for name, guess in equation.unknowns.items()}
        return inputs, rate - equation.known(places.coordinates[:, 0].double(), inputs, scalars)

    def measure(self, places: Visited) -> Measured:
        """Inputs and remainder at the places."""
        return Measured(*self.remainder(places))

    def term_of(self, inputs: Tensor) -> Tensor | None:
        """None: there are values on the surfaces, and no function."""
        return None

    def found_scalars(self) -> dict[str, float]:
        """The first guesses: this method finds none."""
        return self.problem.rate_equation.unknowns

    def _places(self, trajectory: int, coordinates: Tensor) -> Places:
        return Places(self.problem, coordinates[None].double(), self.scales, bends=self.bends,
                      trajectories=[trajectory])  # fmt: skip

    def _free(self, trajectory: int, points: Tensor) -> Jet:
        """N with its derivatives by the scaled coordinates."""
        seen = self._places(trajectory, self.seen[trajectory].coordinates).scaled[0]
        channels: list[list[Tensor]] = []
        for length, weight in zip(self.length[trajectory], self.weight[trajectory, : len(seen)].unbind(1), strict=True):
            apart = (points[:, None] - seen) / length
            near = (-0.5 * apart.square().sum(-1)).exp() * weight
            parts = [near.sum(1)]
            parts += [-(near * apart[..., i]).sum(1) / length[i] for i in range(len(length))]
            parts += [(near * (apart[..., i].square() - 1)).sum(1) / length[i] ** 2 for i in self.bends]
            channels.append(parts)
        value, *rest = (torch.stack(part, dim=1)[None] for part in zip(*channels, strict=True))
        dims = points.shape[1]
        second = dict(zip(self.bends, rest[dims:], strict=True))
        return Jet(value, tuple(rest[:dims]), tuple(second.get(i) for i in range(dims)))


def _fitted(points: Tensor, target: Tensor, factor: Tensor, sigma: float | None) -> tuple[Tensor, Tensor]:
    """Lengths of the largest marginal likelihood, and the weights of the kernel at the points that go with them."""
    dims = points.shape[1]
    noise = 0.05 * float(target.std()) if sigma is None else max(sigma, 1e-6)
    size = float((target / factor.abs().clamp(min=0.2)).std()) or 1.0
    start = torch.tensor([math.log(0.7)] * dims + [math.log(size), math.log(noise)], dtype=torch.float64)
    logs = start.clone().requires_grad_(True)
    optimiser = torch.optim.LBFGS([logs], max_iter=ITERATIONS, history_size=10, line_search_fn="strong_wolfe")

    def root_of_covariance() -> Tensor:
        log_sigma = logs[-1] if sigma is None else start[-1]
        apart = (points[:, None] - points) / logs[:dims].exp()
        kernel = (2 * logs[dims] - 0.5 * apart.square().sum(-1)).exp()
        noisy = factor[:, None] * kernel * factor + (2 * log_sigma).exp() * torch.eye(len(points)).double()
        return torch.linalg.cholesky(noisy + 1e-10 * torch.eye(len(points)).double())

    def loss() -> Tensor:
        optimiser.zero_grad()
        root = root_of_covariance()
        solved = torch.linalg.solve_triangular(root, target[:, None], upper=False)
        # lengths far beyond the domain or below the gaps of the points are not believed
        prior = ((logs[:dims] - start[:dims]) / 2).square().sum()
        value = solved.square().sum() / 2 + root.diagonal().log().sum() + prior
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    with torch.no_grad():
        root = root_of_covariance()
        weight = factor * torch.cholesky_solve(target[:, None], root)[:, 0] * (2 * logs[dims]).exp()
        return logs[:dims].exp().detach(), weight
