"""What the slots of U-shaped networks are: one operator per level and direction."""

from sciml.nn import OPERATORS, Modes, Operator
from sciml.train import Choices, Slot


def operator_slots(levels: tuple[int, ...], modes: Modes) -> list[Slot]:
    """A slot per level and direction; spectral operators are offered where every axis is periodic.

    Arguments:
        levels: numbers of levels to choose from; a level exists where there are more.
        modes: padding along every axis.
    """
    offered = [name for name in OPERATORS if name != "spectral" or all(mode == "circular" for mode in modes)]
    return [
        Slot(f"{way}_{level}", tuple(offered), needs=("levels", tuple(n for n in levels if n > level)), skip="skip")
        for level in range(max(levels))
        for way in ("down", "up")
    ]


def operators_of(choices: Choices) -> tuple[Operator, ...]:
    """The operators of a network, those down finest first, then those up coarsest first."""
    levels = range(int(choices["levels"]))
    down = [choices[f"down_{level}"] for level in levels]
    up = [choices[f"up_{level}"] for level in reversed(levels)]
    return tuple(_named(entry) for entry in (*down, *up))


def _named(choice: object) -> Operator:
    return next(name for name in OPERATORS if name == choice)
