"""What the page of a forecast shows: rollouts in pictures, error growth, spectra, conserved quantities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sciml import draw, metrics
from sciml.core.errors import DataError
from sciml.core.recorded import ACTIVE
from sciml.draw import Figure, Film, Forecasts, Panels, Picture, Strip
from sciml.tasks._forecasts import conserved, read_forecasts, spectra
from sciml.tasks.forecast._measure import UNMEASURED
from sciml.train import RunView, Shown, View


def show(view: RunView) -> Shown:
    """Pictures, curves and the errors by field of the run's rollouts; only the training curve if it stored none."""
    forecasts = read_forecasts(view)
    plots: dict[str, list[Figure]] = {name: [] for name in ("growth", "spectra", "conserved", "series")}
    plots["training"] = draw.training(view.log, view.solver.best_step)
    pictures: dict[str, Any] = {}
    if forecasts is not None:
        pictures = _pictures(forecasts)
        plots["growth"] = draw.error_growth(forecasts)
        plots["spectra"] = spectra(forecasts)
        plots["conserved"] = conserved(forecasts, view.problem)
        plots["series"] = [] if forecasts.rank else draw.time_series(forecasts, pictures["typical"])
    values = {
        "pictures": pictures,
        "plots": plots,
        "equation": _equation(view),
        "by_field": _by_field(forecasts) if forecasts else None,
        "bands": _bands(view),
        "speed": _speed(view),
        "published": list(view.problem.published) if view.problem else [],
        "masked": _masked(view),
        "unmeasured": list(dict.fromkeys(UNMEASURED.values())),
        "constant": _constant(forecasts) if forecasts else "",
    }
    figures = [figure for group in plots.values() for figure in group]
    return Shown(values, [*figures, *_files(pictures)])


def _equation(view: RunView) -> dict[str, Any] | None:
    """The fitted equation with its coefficients, numbers in words; None for a solver that fits none."""
    conclusion = view.solver.conclusion
    if conclusion is None or "equations" not in conclusion:
        return None
    try:
        rows = [
            {
                "name": str(entry["name"]),
                "term": str(entry["term"]),
                "units": str(entry["units"]),
                "value": f"{float(entry['value']):.5g}",
                "interval": "" if entry["low"] is None
                else f"{float(entry['low']):.5g} to {float(entry['high']):.5g}",
                "note": str(entry["note"]),
            }
            for entry in conclusion["coefficients"]
        ]  # fmt: skip
        return {
            "lines": [str(line) for line in conclusion["equations"]],
            "rows": rows,
            "intervals": str(conclusion["intervals"]),
            "notes": [str(note) for note in conclusion["notes"]],
        }
    except (KeyError, TypeError, ValueError) as error:
        raise DataError("the conclusion of the record is not that of a fitted equation",
                        got=f"{type(error).__name__}: {error}", fix="Run it again.") from None  # fmt: skip


def _speed(view: RunView) -> dict[str, Any] | None:
    """The references on their grids, and every solver's speed-up at equal error; None where there is no reference."""
    rows, rungs = [], []
    for entry in view.competitors:
        speed = (entry.conclusion or {}).get("speed")
        if speed is None:
            continue
        try:
            rungs = [
                (" × ".join(str(int(n)) for n in r["points"]) + (" (made the data)" if r["own"] else ""),
                 f"{float(r['seconds']):.3g} s", "0" if r["own"] else f"{float(r['error']):.3g}")
                for r in speed["rungs"]
            ]  # fmt: skip
            seconds, finest = float(speed["seconds"]), next(r for r in speed["rungs"] if r["own"])
            equal = next(r for r in speed["rungs"] if r["equal"])
            place = speed["rungs"].index(equal)
            both = (equal, finest)
            rows.append((entry.title, f"{seconds:.3g} s", f"{float(speed['error']):.3g}", rungs[place][0],
                         *(f"{draw.format_number(float(r['seconds']) / seconds)}×" for r in both)))  # fmt: skip
        except (KeyError, TypeError, ValueError, StopIteration) as error:
            raise DataError("the conclusion of the record is not that of a speed-up",
                            got=f"{type(error).__name__}: {error}", fix="Run it again.") from None  # fmt: skip
    return {"rows": rows, "rungs": rungs} if rows else None


def _bands(view: RunView) -> dict[str, Any] | None:
    """The share of the test values that lie in their bands, by field and step, for every solver that has some."""
    if view.predictions is None:
        return None
    rows, promised, heads = [], 0.0, []
    with view.predictions.reading():
        for entry in view.competitors:
            stored = view.predictions.solvers.get(entry.key)
            if stored is None or "covered" not in stored:
                continue
            covered, promised = stored["covered"], float(stored["covered"].attrs["promised"])
            steps = covered.sizes["time"]
            columns = sorted({0, steps // 2, steps - 1})
            heads = ["all steps", *(f"step {k + 1}" for k in columns)]
            for i, name in enumerate(stored["field"].to_numpy()):
                share, width = covered.to_numpy()[..., i], stored["band"].to_numpy()[..., i]
                cells = [f"{float(values.mean()):.1%}" for values in (share, *(share[:, k] for k in columns))]
                rows.append((entry.title, str(name), cells, f"{float(width.mean()):.3g}"))
    return {"heads": heads, "rows": rows, "promised": f"{promised:.0%}"} if rows else None


def _masked(view: RunView) -> str:
    """How many cells are masked, in words; empty for none."""
    if view.predictions is None or ACTIVE not in view.predictions.truth:
        return ""
    active = view.predictions.truth[ACTIVE].to_numpy()
    return f"{int((active == 0).sum())} of {active.size}"


def _by_field(forecasts: Forecasts) -> dict[str, Any] | None:
    """VRMSE per field at the first, the middle and the last step; None when it was not stored."""
    by_rollout = {rollout.key: rollout.vrmse for rollout in forecasts.rollouts}
    errors = {key: vrmse for key, vrmse in by_rollout.items() if vrmse is not None}
    if len(errors) < len(by_rollout):
        return None
    steps = forecasts.rollouts[0].relative_l2.shape[1]
    columns = sorted({0, steps // 2, steps - 1})
    rows = []
    for channel, field in enumerate(forecasts.fields):
        if all(np.isnan(vrmse[..., channel]).all() for vrmse in errors.values()):
            continue
        means = {
            key: [_mean_known(vrmse[:, k, channel].astype(np.float64)) for k in columns]
            for key, vrmse in errors.items()
        }
        best = [draw.best_of({k: v[i] for k, v in means.items()}, metrics.VRMSE.loss) for i in range(len(columns))]
        for rollout in forecasts.rollouts:
            cells = [(value, best[i] == rollout.key) for i, value in enumerate(means[rollout.key])]
            rows.append((field, rollout, cells))
    return {"heads": [f"step {k + 1}" for k in columns], "rows": rows, "group": len(forecasts.rollouts)}


def _constant(forecasts: Forecasts) -> str:
    """Names of the fields without a VRMSE in any frame: they do not vary; empty for none."""
    known = [rollout.vrmse for rollout in forecasts.rollouts if rollout.vrmse is not None]
    if not known:
        return ""
    gaps = np.isnan(known[0])  # sample time channel
    return ", ".join(field.name for i, field in enumerate(forecasts.fields) if gaps[..., i].all())


def _mean_known(values: np.ndarray) -> float:
    """Mean without NaN, which stands for frames whose reference does not vary; NaN where all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _pictures(forecasts: Forecasts) -> dict[str, Any]:
    """What is shown of the solver's rollouts."""
    rollout = forecasts.rollouts[0]
    order, typical = np.argsort(rollout.scores, kind="stable"), draw.typical_sample(rollout)
    shown: dict[str, Any] = {
        "typical": typical,
        "typical_words": draw.sample_words(forecasts, rollout, typical),
        "moving": [],
        "space_time": [],
        "strips": [],
        "extremes": [],
        "steps": rollout.relative_l2.shape[1],
        "rank": forecasts.rank,
    }
    channels = range(len(forecasts.fields))
    if forecasts.rank == 1:
        shown["space_time"] = [draw.space_time(forecasts, rollout, typical, channel) for channel in channels]
    if forecasts.rank >= 2:
        ratio = _ratio(forecasts)
        shown["moving"] = [draw.film(forecasts, rollout, typical, channel, ratio) for channel in channels]
        shown["strips"] = [draw.strip(forecasts, rollout, typical, channel, ratio) for channel in channels]
        if len(order) > 1:
            for word, sample in (("best", int(order[0])), ("worst", int(order[-1]))):
                stills = [draw.still(forecasts, rollout, sample, channel, ratio, word) for channel in channels]
                shown["extremes"].append((word, draw.sample_words(forecasts, rollout, sample), stills))
    return shown


def _ratio(forecasts: Forecasts) -> float:
    """Height over width of the domain, within what a page can show."""
    height, width = (
        (axis.extent for axis in forecasts.grid.axes[-2:]) if forecasts.grid else map(float, forecasts.truth.shape[-2:])
    )
    return float(np.clip(height / width, 1 / 3, 3))


def _files(pictures: dict[str, Any]) -> list[Figure | Picture]:
    if not pictures:
        return []
    panels: list[Panels | Film] = [*pictures["moving"], *pictures["space_time"]]
    panels += [panel for _, _, stills in pictures["extremes"] for panel in stills]
    strips: list[Strip] = pictures["strips"]
    return [*(panel.picture for panel in panels), *(picture for one in strips for _, picture in one.rows)]


VIEW = View(
    show,
    Path(__file__).with_name("view.html.j2"),
    samples="rollouts",
    counted="step",
    timed="step",
)
