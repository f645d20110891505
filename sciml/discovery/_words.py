"""What was found of one field's equation, in words for pages, the command line and programs."""

from sciml.core.formulas import parse_formula
from sciml.discovery._front import format_expr
from sciml.discovery._named import Component


def remarks(component: Component) -> list[str]:
    """Numbers of a formula with their 95 % intervals, other formulas that fit, its units, and its error elsewhere."""
    lines = [f"constant {number.words()}" for number in component.constants]
    if component.nice is not None:
        lines.append(f"the observations cannot tell it from {format_expr(component.nice)}")
    lines += [
        f"the observations allow {format_expr(rival)} as well; on a box twice as wide it differs by "
        f"{100 * apart:.0f} %, so that measurements there would decide"
        for rival, apart in component.rivals
    ]
    if component.is_approximate:
        lines.append("an approximation where values were observed, not the law: more than noise is left")
    if (verdict := component.units) is not None:
        carried = ", ".join(f"{float(parse_formula(name)):.4g} in {unit}" for name, unit in verdict.constants.items())
        lines.append(f"units fit{', with ' + carried if carried else ''}" if verdict.ok else f"units: {verdict.reason}")
    if component.match is not None:
        same = "the same terms as the truth" if component.match.same else "other terms than the truth"
        here, wide = (f"{100 * error:.3g} %" for error in (component.match.error, component.match.wide_error))
        lines.append(f"{same}; error {here} where it was measured, {wide} on a box twice as wide")
    return lines
