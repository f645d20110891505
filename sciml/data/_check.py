"""The outcome of one check of a dataset."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One named check: whether it passed, and in words what was found."""

    name: str
    ok: bool
    detail: str
