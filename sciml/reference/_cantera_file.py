"""Mechanism files as Cantera reads them, and as the tables of a `Mechanism`; what is not modelled is named."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.reference._rates import ThirdBodies, broadening_of

_FORMS = ("Arrhenius", "three-body-Arrhenius", "falloff-Lindemann", "falloff-Troe")
_NAMES = {
    "pressure-dependent-Arrhenius": "PLOG (pressure-dependent-Arrhenius)",
    "Blowers-Masel": "Blowers-Masel",
    "linear-Burke": "linear Burke",
}
_EXPECTED = "Arrhenius rates, third bodies with efficiencies, falloff by Lindemann or Troe"


def read_solution(source: str, phase: str | None) -> Any:  # Any: Cantera is imported where it is used
    """The phase of a file as a `cantera.Solution` of ideal gas.

    Raises: UserError for a file that is missing or that Cantera cannot read, for a phase that it does not hold or that
        is no gas, and for surfaces or other condensed phases beside the gas where nobody said which phase is meant.
    """
    import cantera

    if not Path(source).is_file() and not _delivered(cantera, source):
        raise UserError(
            "the mechanism file is missing", got=source,
            fix="Give the path of a YAML mechanism, or the name of one of Cantera's own, such as gri30.yaml.",
        )  # fmt: skip
    try:
        gas = cantera.Solution(source, phase or "", transport_model=None)
        phases = _phases(cantera, source)
    except cantera.CanteraError as error:
        words = [line.strip(" |*>") for line in str(error).splitlines()]
        raise UserError(
            f"Cantera cannot read the mechanism {source}", got=" ".join(filter(None, words))[:600]
        ) from None
    if gas.thermo_model != "ideal-gas":
        raise refused(source, f"phase {gas.name!r} with the equation of state {gas.thermo_model}", "ideal-gas")
    others = [f"{name} ({kind})" for name, kind in phases.items() if name != gas.name and "surface" in kind]
    if phase is None and others:
        raise UserError(
            f"the mechanism {source} holds a surface phase, whose reactions are not modelled here",
            got=", ".join(others), expected="a gas alone",
            fix=f"Give phase={gas.name!r} to take the gas without its surfaces, or integrate it with Cantera.",
        )  # fmt: skip
    return gas


def _phases(cantera: Any, source: str) -> dict[str, str]:
    """Names and kinds of the phases of a file."""
    from ruamel.yaml import YAML, YAMLError

    folders = [Path(), *map(Path, cantera.get_data_directories())]
    path = next(folder / source for folder in folders if (folder / source).is_file())
    try:
        whole = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except YAMLError:
        return {}  # Cantera's parser takes a few things that YAML 1.2 does not
    phases = whole.get("phases", []) if isinstance(whole, dict) else []
    return {str(p.get("name")): str(p.get("thermo")) for p in phases if isinstance(p, dict)}


def _delivered(cantera: Any, name: str) -> bool:
    return any((Path(folder) / name).is_file() for folder in cantera.get_data_directories())


def tables_of(gas: Any, source: str) -> dict[str, Any]:  # Any: fields of a Mechanism, each of its own type
    """The fields of a `Mechanism`, or a UserError that names what is not modelled."""
    for species in gas.species():
        if species.input_data["thermo"]["model"] != "NASA7" or len(species.thermo.coeffs) != 15:
            raise refused(source, f"thermodynamics of {species.name}", "NASA7 polynomials on two ranges")
    reactions = gas.reactions()
    for number, reaction in enumerate(reactions, start=1):
        _check_reaction(source, f"reaction {number} ({reaction.equation})", reaction)
    polynomials = [species.thermo for species in gas.species()]
    coefficients = _matrix([p.coeffs.tolist() for p in polynomials], 15)
    pressures = {p.reference_pressure for p in polynomials}
    if len(pressures) > 1:
        raise refused(source, f"reference pressures {sorted(pressures)}", "one for all species")
    names = gas.species_names
    rates = [r.rate.high_rate if r.rate.type == "falloff" else r.rate for r in reactions]
    factors = column([r.pre_exponential_factor for r in rates])
    atoms = [[gas.n_atoms(k, e) for k in names] for e in gas.element_names]
    return {
        "species": tuple(names),
        "elements": tuple(gas.element_names),
        "composition": _matrix(atoms, len(names)),
        "weights": column(gas.molecular_weights.tolist()),
        "thermo": torch.stack((coefficients[:, 8:15], coefficients[:, 1:8])),
        "middle": coefficients[:, 0].contiguous(),
        "coldest": column([p.min_temp for p in polynomials]),
        "hottest": column([p.max_temp for p in polynomials]),
        "pressure": pressures.pop(),
        "reactants": _table([r.reactants for r in reactions], names),
        "products": _table([r.products for r in reactions], names),
        "orders": _table([{**r.reactants, **r.orders} for r in reactions], names),
        "ln_a": factors.abs().log(),
        "sign": factors.sign() if bool((factors < 0).any()) else None,
        "exponent": column([r.temperature_exponent for r in rates]),
        "activation": column([r.activation_energy for r in rates]),
        "reversible": torch.tensor([bool(r.reversible) for r in reactions], dtype=torch.bool),
        "bodies": _bodies(reactions, names),
    }


def _check_reaction(source: str, name: str, reaction: Any) -> None:
    kind = reaction.reaction_type
    if kind not in _FORMS:
        raise refused(source, f"{name} of type {_NAMES.get(kind, kind)}", _EXPECTED)
    rate = reaction.rate
    if kind.startswith("falloff"):
        for limit, part in (("low", rate.low_rate), ("high", rate.high_rate)):
            if not part.pre_exponential_factor > 0:
                raise refused(source, f"{name} with A = {part.pre_exponential_factor} at {limit} pressure", "A > 0")
    elif rate.pre_exponential_factor == 0:
        raise refused(source, f"{name} with A = 0", "A other than zero", "Leave the reaction out.")


def _bodies(reactions: Sequence[Any], names: Sequence[str]) -> ThirdBodies | None:
    falling = [i for i, r in enumerate(reactions) if r.rate.type == "falloff"]
    plain = [i for i, r in enumerate(reactions) if r.third_body is not None and i not in set(falling)]
    if not plain and not falling:
        return None
    low = [reactions[i].rate.low_rate for i in falling]
    return ThirdBodies(
        plain=torch.tensor(plain, dtype=torch.long),
        falling=torch.tensor(falling, dtype=torch.long),
        efficiency=_efficiencies([reactions[i] for i in plain], names),
        falling_efficiency=_efficiencies([reactions[i] for i in falling], names),
        ln_a=column([r.pre_exponential_factor for r in low]).log(),
        exponent=column([r.temperature_exponent for r in low]),
        activation=column([r.activation_energy for r in low]),
        broadening=_matrix([broadening_of(list(reactions[i].rate.falloff_coeffs)) for i in falling], 4),
    )


def _efficiencies(reactions: Sequence[Any], names: Sequence[str]) -> Float[Tensor, "reaction species"]:
    bodies = [r.third_body for r in reactions]
    return _matrix([[b.efficiencies.get(k, b.default_efficiency) for k in names] for b in bodies], len(names))


def refused(source: str, got: str, expected: str, fix: str = "") -> UserError:
    """That a mechanism holds what is not modelled."""
    return UserError(
        f"the mechanism {source} holds what is not modelled here", got=got, expected=expected,
        fix=fix or "Take a mechanism without it, or integrate this one with Cantera.",
    )  # fmt: skip


def _table(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> Float[Tensor, "reaction species"]:
    return _matrix([[row.get(name, 0.0) for name in names] for row in rows], len(names))


def _matrix(rows: Sequence[Sequence[float]], width: int) -> Float[Tensor, "row column"]:
    return torch.tensor(rows, dtype=torch.float64).reshape(len(rows), width)


def column(values: Sequence[float]) -> Float[Tensor, " row"]:
    """A list of numbers in float64."""
    return torch.tensor(values, dtype=torch.float64)
