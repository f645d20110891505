"""What a discovery found, in words for pages and the command line."""

from sciml.core.capabilities import HasHiddenTerm
from sciml.discovery import Named, unknown_scalars


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
