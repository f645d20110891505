"""The outcome of one check of a dataset."""

from collections.abc import Callable
from dataclasses import dataclass

from sciml.core.errors import UserError


@dataclass(frozen=True)
class Check:
    """One named check: whether it passed, and in words what was found."""

    name: str
    ok: bool
    detail: str


def checked(name: str, checks: Callable[[], list[Check]]) -> list[Check]:
    """What `checks` gives; a fault of the data or the card is a failed check."""
    try:
        return checks()
    except UserError as error:
        return [Check(name, False, str(error))]


def reproduced(name: str, same: bool) -> Check:
    """The check that data made twice is the same."""
    return Check(name, same, "made twice, the same bits" if same else "made twice, not the same")
