"""SineNet as a solver: its recipes, its size, its claim."""

from sciml.core.capabilities import HasTrajectories
from sciml.core.errors import UnsupportedError
from sciml.models import SineNet
from sciml.nn import condition_of
from sciml.solvers.sinenet._config import SineNetConfig
from sciml.solvers.sinenet._space import sinenet_space
from sciml.tasks.forecast import ForecastConfig, ForecastContext, StepperSolver
from sciml.train import Knob, Recipe, Searchable, Space, TrainConfig, recipe_of

_RECIPES = {
    "tiny": Recipe[SineNetConfig, ForecastConfig](
        model=SineNetConfig(waves=2, levels=3, width=12, multiplier=1.72),
        task=ForecastConfig(history=2),
        train=TrainConfig(steps=300, batch_size=16, learning_rate=6e-3),
        baselines=("persistence", "linear", "unet"),
    ),
    "small": Recipe[SineNetConfig, ForecastConfig](
        model=SineNetConfig(waves=4, levels=3, width=12, multiplier=1.44),
        task=ForecastConfig(history=2),
        train=TrainConfig(steps=1500, batch_size=16, learning_rate=8e-3, evaluate_every=250, checkpoint_every=250),
        baselines=("persistence", "linear", "unet", "fno", "dilresnet"),
    ),
    "paper": Recipe[SineNetConfig, ForecastConfig](
        model=SineNetConfig(waves=8, levels=4, width=64, multiplier=1.425),
        task=ForecastConfig(history=4),
        train=TrainConfig(
            steps=113_750,
            batch_size=32,
            learning_rate=2e-4,
            clip=None,
            final_learning_rate=1e-7,
            evaluate_every=2275,
            checkpoint_every=2275,
        ),
        baselines=("persistence", "linear", "unet", "fno", "dilresnet"),
    ),
}


class SineNetSolver(StepperSolver[SineNetConfig, SineNet], Searchable):
    """Forecasts by a chain of thin U-Nets."""

    key = "sinenet"
    title = "SineNet"
    citation = (
        "Zhang, Helwig, Lin, Xie, Fu, Wojtowytsch, Ji, SineNet: Learning Temporal Dynamics in Time-Dependent Partial "
        "Differential Equations, ICLR 2024, arXiv:2403.19507"
    )
    claim = (
        "at equal parameters more waves lower the error, and circular padding lowers it on periodic data; what became "
        "of both here is in reports/waves, reports/displacement and reports/smoke_waves"
    )
    mask_channel, reads_forcings, learns_changes = True, True, True
    knob = Knob("multiplier", 0.25, 8.0)

    def recipe(self, preset: str) -> Recipe[SineNetConfig, ForecastConfig]:
        """``tiny`` and ``small`` for two cores; ``paper`` has the published sizes and schedule."""
        return recipe_of(_RECIPES, preset)

    def space(self, problem: HasTrajectories, model: SineNetConfig, context: ForecastContext) -> Space:
        """Waves, levels, width, and the operators of every level, the same in all waves."""
        if not model.waves:
            raise UnsupportedError("a SineNet without waves has nothing to search", got="waves=0")
        return sinenet_space(model, context.padding(model.padding)[0])

    def network(self, problem: HasTrajectories, model: SineNetConfig, context: ForecastContext) -> SineNet:
        """K waves for the problem's fields and parameters."""
        config = model
        scalars, conditioning = condition_of(
            config.condition, context.num_scalars(problem), several_steps=len(context.strides) > 1
        )
        modes, odd = context.padding(config.padding)
        return SineNet(
            in_channels=context.channels_in(problem),
            out_channels=len(problem.fields),
            dims=len(context.grid.axes),
            waves=config.waves,
            levels=config.levels,
            width=config.width,
            multiplier=config.multiplier,
            operators=config.operators,
            blocks=config.blocks,
            disentangle=config.disentangle,
            wave_residual=config.wave_residual,
            block_residual=config.block_residual,
            padding=modes,
            odd=odd,
            condition_channels=scalars,
            conditioning=conditioning,
            size=context.grid.size,
        )
