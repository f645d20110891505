"""What a user says beforehand of the hidden part of a table's equations: where it may be and what it may be made of."""

import re
from collections.abc import Mapping, Sequence

import pydantic

from sciml.core.config import Config
from sciml.core.errors import UnknownNameError
from sciml.core.formulas import FormulaError, spelt
from sciml.discovery._spec import BINARY, UNARY


class HiddenPrior(Config):
    """Inputs without equations, equations that are complete, and where the hidden part may be."""

    inputs: tuple[str, ...] = ()
    """Columns that drive the others and have no equation, such as a forcing or a temperature; between their times they
    are interpolated linearly."""
    complete: tuple[str, ...] = ()
    """Columns whose equations are known exactly: nothing is hidden in them."""
    hidden: dict[str, tuple[str, ...]] = {}
    """What the hidden part of each column's rate may depend on; with it, columns it does not name are complete. Empty
    for everywhere, of everything."""
    operators: tuple[str, ...] = ()
    """What formulas may be made of (add, sub, mul, div, pow, exp, …); empty for the four basic operations."""
    library: tuple[str, ...] = ()
    """Candidate terms, as formulas of the columns; empty for all products of at most two columns."""
    own: tuple[str, ...] = ()
    """Unknown scalars of the known part that have a value of their own on every trajectory."""

    def spelt(self, names: Sequence[str]) -> "HiddenPrior":
        """The same with the names of columns as the table spells them."""

        def those(some: Sequence[str]) -> tuple[str, ...]:
            return tuple(spelt(name, names) for name in some)

        hidden = {spelt(name, names): those(inputs) for name, inputs in self.hidden.items()}
        changes = {"inputs": those(self.inputs), "complete": those(self.complete), "hidden": hidden}
        return self.model_copy(update=changes)

    @pydantic.model_validator(mode="after")
    def _operators_are_known(self) -> "HiddenPrior":
        for name in self.operators:
            if name not in (*BINARY, *UNARY):
                raise UnknownNameError("operator", name, (*BINARY, *UNARY))
        return self


def parse_prior(
    *, inputs: str = "", complete: str = "", hidden: str = "", operators: str = "", library: str = "", own: str = ""
) -> HiddenPrior:
    """A prior from what stands on a command line.

    Arguments:
        inputs, own, operators, library: names or formulas, separated by commas outside brackets.
        complete: rates that are known exactly, ``"a'; b'"``.
        hidden: ``"v: v; w: v, w"``, what the hidden part of each rate may depend on.

    Raises: FormulaError for what is not of this form; UnknownNameError for an operator that does not exist.
    """
    return HiddenPrior(
        inputs=split_list(inputs),
        complete=tuple(rate_name(part, "--complete") for part in split_list(complete.replace(";", ","))),
        hidden=parse_hidden(hidden),
        operators=split_list(operators),
        library=split_list(library),
        own=split_list(own),
    )


def parse_hidden(text: str) -> dict[str, tuple[str, ...]]:
    """``"v: v; w: v, w"`` as names by rate. Raises FormulaError for anything else."""
    inputs: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        left, sign, right = part.partition(":")
        names = split_list(right)
        if not sign or not names:
            raise FormulaError(f"{part!r} does not say on what the hidden part may depend",
                               expected='the form "v: v, w" (the rate of v hides something of v and w)')  # fmt: skip
        name = rate_name(left, "--hidden")
        if name in inputs:
            raise FormulaError(f"the hidden part of {name!r} is described twice", got=text)
        inputs[name] = names
    return inputs


def rate_name(text: str, option: str) -> str:
    """The column of ``a'`` or ``a``."""
    match = re.fullmatch(r"([^\W\d]\w*)\s*['′]?", text.strip())
    if not match:
        raise FormulaError(f"{text!r} is no rate for {option}", expected="for example a'")
    return match[1]


def split_list(text: str) -> tuple[str, ...]:
    """Parts between commas that are not inside brackets, stripped, empty ones left out."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return tuple(part.strip() for part in parts if part.strip())


def parse_noise(text: str, spreads: Mapping[str, float]) -> dict[str, float]:
    """Standard deviations of the measurement by column.

    Arguments:
        text: ``0.1`` for every column in its units, ``2%`` of each column's standard deviation, or ``x=0.1, y=2%``;
            empty for none.
        spreads: standard deviation of the values of every column.

    Raises: FormulaError for anything else, UnknownNameError for a column that does not exist.
    """
    sizes: dict[str, float] = {}
    for part in split_list(text):
        name, sign, value = (piece.strip() for piece in part.rpartition("="))
        name = spelt(name, spreads)
        if sign and name not in spreads:
            raise UnknownNameError("column", name, spreads)
        for column in [name] if sign else list(spreads):
            sizes[column] = _size(value, spreads[column], part)
    return sizes


def _size(text: str, spread: float, part: str) -> float:
    try:
        value = float(text.removesuffix("%")) * (spread / 100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise FormulaError(f"{part!r} is no size of noise", expected="for example 0.1, 2% or x=0.1, y=2%")
    return value


def check_prior(prior: HiddenPrior, columns: Sequence[str], names: Sequence[str]) -> None:
    """Raise UnknownNameError or FormulaError for a prior that names what a table does not have.

    Arguments:
        prior: to be checked.
        columns: of the table.
        names: of the columns and their derivatives in space, on which something hidden may depend.
    """
    fields = [name for name in columns if name not in prior.inputs]
    if not fields:
        raise FormulaError("all columns are inputs, none has a rate", got=", ".join(prior.inputs))
    for stated, valid in ((prior.inputs, columns), (prior.complete, fields), (prior.hidden, fields)):
        for name in stated:
            if name not in valid:
                raise UnknownNameError("column" if valid is columns else "column with a rate", name, valid)
    for name, inputs in prior.hidden.items():
        for entry in inputs:
            if entry not in names:
                raise UnknownNameError("column", entry, names)
        if name in prior.complete:
            raise FormulaError(f"the equation of {name!r} is said to be complete and to hide something")
    if set(fields) <= set(prior.complete):
        raise FormulaError("all equations are said to be complete; nothing is left to find", got=", ".join(fields))
