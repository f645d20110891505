"""The conventions of scikit-learn that estimators keep without inheriting from it, so that it need not be imported."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

E = TypeVar("E", bound="HasParameters")  # not Self, which the type checks of the tests cannot read


class HasParameters:
    """An object whose constructor stores its arguments under their names, and does nothing else."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # Any: as scikit-learn has it
        """The arguments of the constructor, as scikit-learn's `clone` asks for them."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self: E, **params: Any) -> E:  # Any: as scikit-learn has it
        """Change arguments of the constructor. Raises ValueError for one that does not exist."""
        valid = self.get_params()
        for name, value in params.items():
            if name not in valid:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self}. Valid parameters are: {[*valid]!r}."
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        shown = [f"{k}={v!r}" for k, v in self.get_params().items() if v != defaults[k].default]
        return f"{type(self).__name__}({', '.join(shown)})"
