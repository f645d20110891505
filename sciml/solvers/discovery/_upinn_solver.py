"""`UPINN` as a solver of the registry."""

import torch
from torch import Tensor

from sciml.core.capabilities import Observations
from sciml.core.problem import Problem
from sciml.solvers.discovery._solver import DiscoverySolver
from sciml.solvers.discovery._upinn import UPINN, UPINNConfig, train
from sciml.tasks.discovery import DiscoveryConfig, ObservationBatch, Visited
from sciml.train import Recipe, TrainConfig

_RIVALS = ("spline_derivative", "sindy", "universal_ode")
_RECIPES = {
    preset: Recipe[UPINNConfig, DiscoveryConfig](
        model=UPINNConfig(members=members, adam=adam, lbfgs=lbfgs),
        task=DiscoveryConfig(),
        train=TrainConfig(steps=0),
        baselines=_RIVALS,
    )
    for preset, members, adam, lbfgs in (("tiny", 3, 2500, 400), ("small", 3, 4000, 800), ("paper", 5, 12000, 2000))
}


class UPINNSolver(DiscoverySolver):
    """Surrogates of all trajectories and one hidden network, trained together."""

    key = "upinn"
    title = "UPINN"
    citation = (
        "L. Podina, B. Eastman, M. Kohandel, Universal physics-informed neural networks: symbolic differential "
        "operator discovery with sparse data, ICML 2023, PMLR 202:27948-27956"
    )
    claim = (
        "from sparse data with little noise the hidden term is found more accurately than by differentiating a spline, "
        "given several trajectories; tests/solvers/test_upinn.py"
    )
    most_axes = 2

    def recipes(self) -> dict[str, Recipe]:
        """Larger presets train longer."""
        return dict(_RECIPES)

    def make(self, problem: Problem, config: UPINNConfig, seen: tuple[Observations, ...], seed: int) -> UPINN:
        """Untrained networks."""
        return UPINN(problem, config, seen, seed)

    def adjust(self, module: UPINN) -> None:
        """Adam, then L-BFGS."""
        train(module)

    def misfit(self, module: UPINN, batch: ObservationBatch) -> Tensor:
        """Misfit of the batch and of the equation, mean over members."""
        state, _ = module.anywhere(Visited(batch.trajectory, batch.coordinates))
        data = ((state - batch.values) / module.scales.field).square().mean()
        loss = module.data_weight * data + module.residual().square().mean()
        return loss.to(torch.float64)
