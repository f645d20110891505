"""Looking a preset up in a solver's table of recipes."""

from collections.abc import Mapping

from sciml.core.errors import UnknownNameError
from sciml.train import Recipe


def recipe_of(recipes: Mapping[str, Recipe], preset: str) -> Recipe:
    """The recipe of a preset; an unknown name lists the valid ones."""
    if preset not in recipes:
        raise UnknownNameError("preset", preset, recipes)
    return recipes[preset]
