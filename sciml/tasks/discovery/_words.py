"""What a discovery found, in words for pages and the command line."""

from sciml.core.capabilities import HasHiddenTerm
from sciml.discovery import Component, Named, format_expr, parse_formula, unknown_scalars


def remarks(component: Component) -> list[str]:
    """Numbers of a formula with their 95 % intervals, its units, and its error away from the observations."""
    lines = [f"constant {number.words()}" for number in component.constants]
    if component.nice is not None:
        lines.append(f"the observations cannot tell it from {format_expr(component.nice)}")
    if (verdict := component.units) is not None:
        carried = ", ".join(f"{float(parse_formula(name)):.4g} in {unit}" for name, unit in verdict.constants.items())
        lines.append(f"units fit{', with ' + carried if carried else ''}" if verdict.ok else f"units: {verdict.reason}")
    if component.match is not None:
        same = "the same terms as the truth" if component.match.same else "other terms than the truth"
        here, wide = (f"{100 * error:.3g} %" for error in (component.match.error, component.match.wide_error))
        lines.append(f"{same}; error {here} where it was measured, {wide} on a box twice as wide")
    return lines


def scalar_words(problem: HasHiddenTerm, named: Named) -> list[str]:
    """A line per unknown scalar of the known part: its interval where it was fitted, else its value."""
    lines = []
    for name, value in unknown_scalars(problem, named).items():
        interval = named.intervals.get(name)
        if interval is not None:
            lines.append(f"{name} = {interval.words()}")
        elif value is not None:
            lines.append(f"{name} = {value:.4g}")
        else:
            lines.append(f"{name} is not determined: no such term found")
    return lines
