"""Pictures of races to an error: the smallest error so far of every run of both sides, over its seconds."""

import re
from itertools import accumulate
from pathlib import Path

from benchmarks._harness import Row
from sciml.draw import plot, scale_axis, style


def write_trails(row: Row, folder: Path) -> Path:
    """An SVG of a row with trails, named after its case."""

    def paint(axes) -> None:
        for index, (side, runs) in enumerate(row.trails.items()):
            for number, trail in enumerate(runs):
                look = {**style(index), "marker": None, "linewidth": 1.6}
                best = accumulate((error for _, error in trail), min)
                axes.plot([seconds for seconds, _ in trail], list(best), label=None if number else side, **look)
        axes.set(xlabel="training time [s]", ylabel="smallest relative L2 error so far")
        scale_axis(axes.xaxis, log=True)
        scale_axis(axes.yaxis, log=True)

    ends = "; ".join(
        f"{side} {', '.join(f'{trail[-1][1]:.1e} after {trail[-1][0]:.1f} s' for trail in runs)}"
        for side, runs in row.trails.items()
    )
    name = re.sub(r"\W+", "-", row.case.split(", to")[0])
    figure = plot(name, paint, title=row.case, caption="", alt=ends)
    path = folder / f"{name}.svg"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(figure.svg, encoding="utf-8")
    return path
