"""Which SineNets a search may choose between."""

from sciml.nn import Modes
from sciml.solvers.baselines._u_space import operator_slots, operators_of
from sciml.solvers.sinenet._config import SineNetConfig
from sciml.train import Choices, Places, Slot, Space, spread


def sinenet_space(model: SineNetConfig, modes: Modes) -> Space:
    """Waves up to one more than the recipe's, its levels or one less, three widths, and the operators.

    Arguments:
        model: the recipe's network.
        modes: padding along every axis.
    """
    waves, levels = tuple(range(1, model.waves + 2)), spread(model.levels - 1, model.levels)
    widths = spread(model.width // 2, 3 * model.width // 4, model.width)
    slots = [Slot("levels", levels), Slot("width", widths), Slot("waves", waves), *operator_slots(levels, modes)]

    def configured(choices: Choices) -> SineNetConfig:
        update = {name: choices[name] for name in ("levels", "width", "waves")}
        return model.model_copy(update={**update, "operators": operators_of(choices)})

    def places(choices: Choices) -> Places:
        swaps: dict[str, tuple[str, ...]] = {"network": ("levels", "width")}
        deepest = int(choices["levels"])
        for wave in range(waves[-1]):
            swaps[f"network.waves.{wave}"] = ("waves",)
            for level in range(deepest):
                down, up = (f"network.waves.{wave}.{way}" for way in (f"down.{level}", f"up.{deepest - 1 - level}"))
                for block in ("block", *(f"more.{i}" for i in range(model.blocks - 1))):
                    swaps[f"{down}.{block}"], swaps[f"{up}.{block}"] = (f"down_{level}",), (f"up_{level}",)
        return Places(swaps, absent="zero" if model.wave_residual else "identity")

    return Space(tuple(slots), configured, places)
