"""`UPINN` as a solver of the registry."""

import torch
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.solvers.discovery._solver import DiscoverySolver
from sciml.solvers.discovery._upinn import UPINN, UPINNConfig, steps_of
from sciml.tasks.discovery import DiscoveryConfig, ObservationBatch, Visited
from sciml.train import Examples, Phases, Recipe, TrainConfig, recipe_of

_RIVALS = ("spline_derivative", "sindy", "universal_ode")
_RECIPES = {
    preset: Recipe[UPINNConfig, DiscoveryConfig](
        model=UPINNConfig(members=members, adam=adam),
        task=DiscoveryConfig(),
        train=TrainConfig(steps=steps, evaluate_every=100, checkpoint_every=500),
        baselines=_RIVALS,
    )
    for preset, members, adam, steps in (("tiny", 3, 2500, 2900), ("small", 3, 4000, 4800), ("paper", 5, 12000, 14000))
}


class UPINNSolver(DiscoverySolver[UPINNConfig, UPINN]):
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
    rule = Phases
    max_spatial_dims = 2
    fits_own_scalars = False

    def recipe(self, preset: str) -> Recipe[UPINNConfig, DiscoveryConfig]:
        """Larger presets train longer."""
        return recipe_of(_RECIPES, preset)

    def make(self, problem: HasHiddenTerm, config: UPINNConfig, seen: tuple[Observations, ...], seed: int) -> UPINN:
        """Untrained networks."""
        return UPINN(problem, config, seen, seed)

    def step_rule(
        self, module: UPINN, examples: Examples[ObservationBatch], config: TrainConfig, seed: int = 0
    ) -> Phases[ObservationBatch]:
        """Adam, then L-BFGS, on all observations of all members at every step."""
        return steps_of(module, config.steps)

    def misfit(self, module: UPINN, batch: ObservationBatch) -> Tensor:
        """Misfit of the batch and of the equation, mean over members."""
        state, _ = module.anywhere(Visited(batch.trajectory, batch.coordinates))
        misses = (state - batch.values.nan_to_num(0.0)) / module.scales.field
        data = misses[batch.values.isfinite().expand_as(misses)].square().mean()
        loss = module.data_weight * data + module.residual().square().mean()
        return loss.to(torch.float64)
