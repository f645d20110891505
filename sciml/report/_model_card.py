"""The model card of a run: Markdown made from its record, for whoever gets the run without its page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sciml.core.text import flat, number
from sciml.draw import format_count
from sciml.metrics import Metric, find_metric, headline_metrics
from sciml.report._tasks import metrics_of
from sciml.study import About, Quantity, Record, SolverEntry


def model_card(record: Record, about: About, name: str, *, needs_problem: bool = False) -> str:
    """What a run is, what it was trained on, how well it does beside its baselines, where it ends, how to use it.

    Arguments:
        record, about: of the run.
        name: of the run's folder.
        needs_problem: whether its problem is not registered, so that whoever uses the run must have its folder.

    Returns: Markdown.
    """
    sections = {
        f"{about.solver_title} on {about.title}": _what(record, about),
        "Takes and gives": _quantities(about),
        "Data": _data(record, about),
        "How well": _metrics(record),
        "Limits": _limits(record, about),
        "Use": _use(name, about, needs_problem),
        "Cite": _cite(about),
        "Licence": _licence(about),
    }
    (title, first), *rest = sections.items()
    parts = [f"# {title}", *first]
    for heading, lines in rest:
        parts += [f"## {heading}", *lines]
    return "\n\n".join(parts) + "\n"


def _what(record: Record, about: About) -> Iterator[str]:
    if about.equation:
        yield "\n".join(f"    {line}" for line in about.equation.splitlines())
    yield (
        f"Solver `{record.solver}` of {about.program}, preset `{record.preset}`, seed {record.seed}: "
        f"{record.parameters:,} parameters, {format_count(record.flops)} FLOPs per prediction, trained for "
        f"{record.train.steps:,} steps in {number(record.train.seconds)} s on {record.hardware.get('device', '?')}."
    )
    if record.lineage:
        yield "Made in steps: " + " → ".join(f"`{row.tool or 'trained'}`" for row in record.lineage) + "."
    if record.conclusion:
        yield "It concluded:"
        yield "\n".join(f"    {line}" for line in record.conclusion.words)


def _quantities(about: About) -> Iterator[str]:
    yield "Fields are channels in this order, and so are parameters; means and deviations are of the training data."
    header = ["name", "is", "units", "mean", "deviation", "range"]
    rows = [_row(quantity, "field") for quantity in about.fields]
    rows += [_row(quantity, "parameter") for quantity in about.parameters]
    rows += [_row(quantity, "forcing") for quantity in about.forcings]
    yield _table(header, rows)
    if about.axes:
        axes = [
            (axis.name, axis.size, f"{number(axis.lower)} to {number(axis.upper)}", axis.units, axis.boundary)
            for axis in about.axes
        ]
        yield _table(["axis", "points", "extent", "units", "boundary"], axes)
    if about.dt is not None:
        yield f"Frames are {number(about.dt)} {_units(about.time_units)} apart.".replace("  ", " ")


def _row(quantity: Quantity, kind: str) -> tuple[object, ...]:
    words = f"{kind}: {quantity.long_name}" if quantity.long_name else kind
    span = "" if quantity.low is None else f"{number(quantity.low)} to {number(quantity.high)}"
    moments = ("" if value is None else number(value) for value in (quantity.mean, quantity.std))
    return (f"`{quantity.name}`", words, quantity.units, *moments, span)


def _data(record: Record, about: About) -> Iterator[str]:
    made = "in memory" if not about.data_title else about.data_title
    yield f"{made}. Hash of the data: `{about.dataset}`."
    settings = {key: value for key, value in flat(record.dataset.card).items() if value is not None}
    yield _table(["setting of the data", "value"], list(settings.items()))


def _metrics(record: Record) -> Iterator[str]:
    yield "On the test split, the run beside its baselines:"
    declared = metrics_of(record.task)
    columns: Sequence[Metric] = headline_metrics(declared, record.metrics["test"], first=())
    rows = [_competitor(entry, columns) for entry in (record, *record.baselines.values())]
    yield _table(["solver", "parameters", *(_label(metric) for metric in columns)], rows)
    everything = [
        (f"`{key}`", _label(find_metric(declared, key)), value) for key, value in record.metrics["test"].items()
    ]
    yield "<details><summary>All metrics of the run</summary>"
    yield _table(["key", "metric", "value"], everything)
    yield "</details>"


def _competitor(entry: SolverEntry, columns: Sequence[Metric]) -> tuple[object, ...]:
    return (entry.title, entry.parameters, *(entry.metrics["test"].get(metric.key) for metric in columns))


def _label(metric: Metric) -> str:
    units = f" [{metric.units}]" if metric.units not in ("", "1") else ""
    return f"{metric.label}{units}"


def _limits(record: Record, about: About) -> Iterator[str]:
    limits = []
    if about.parameters:
        limits.append("Parameters outside of the ranges above are refused without `--extrapolate`; nothing says how "
                      "wrong an answer is there.")  # fmt: skip
    if about.axes:
        limits.append("It knows this grid, domain and boundary alone; other points are refused, or interpolated with "
                      "`--resample`.")  # fmt: skip
    if about.not_modelled:
        limits.append(f"Not in the data: {about.not_modelled}")
    failed = {words: count for words, count in record.outcomes.items() if words != "ok" and count}
    if failed:
        limits.append("Test samples that failed: " + ", ".join(f"{n} {words}" for words, n in failed.items()) + ".")
    limits += [f"It does not beat {title} in {words}." for title, words in _better_baselines(record)]
    limits += [f"Not compared with {key}: {reason}" for key, reason in record.left_out.items()]
    if not record.baselines:
        limits.append("It was compared with nothing.")
    limits.append("One seed: `sciml study` says how much of a difference is chance.")
    yield "\n".join(f"- {' '.join(limit.split())}" for limit in limits)


def _better_baselines(record: Record) -> Iterator[tuple[str, str]]:
    for metric in headline_metrics(metrics_of(record.task), record.metrics["test"], first=()):
        ours = record.metrics["test"].get(metric.key)
        if ours is None or metric.better == "none" or metric.units == "s":
            continue
        for entry in record.baselines.values():
            theirs = entry.metrics["test"].get(metric.key)
            if theirs is not None and metric.loss(theirs) <= metric.loss(ours):
                yield entry.title, metric.words


def _use(name: str, about: About, needs_problem: bool) -> Iterator[str]:
    flag = " --problem FOLDER" if needs_problem else ""
    yield (
        "```sh\n"
        "pip install sciml\n"
        f"sciml show {name}.zip\n"
        f"sciml predict {name}.zip --example{flag}      # writes example.nc, inputs to start from\n"
        f"sciml predict {name}.zip --input example.nc{flag}\n"
        "```"
    )
    argument = ', problem="FOLDER"' if needs_problem else ""
    yield f'```python\nimport sciml\n\nanswer = sciml.predict("{name}.zip", "example.nc"{argument})\n```'
    if needs_problem:
        yield f"Its problem `{about.problem}` is not one of the suite: its folder is needed beside this file."
    yield "Without `sciml`: the weights are `model.safetensors`; what goes in and comes out is in `about.json`."


def _cite(about: About) -> Iterator[str]:
    words = {"problem": "the problem", "data": "the data", "solver": "the method", "program": "the program"}
    cited: dict[str, list[str]] = {}
    for key, citation in about.citation.model_dump().items():
        if citation:
            cited.setdefault(citation, []).append(words[key])
    yield "\n".join(f"- {' and '.join(whats)}: {citation}" for citation, whats in cited.items())


def _licence(about: About) -> Iterator[str]:
    data = about.licence.get("data") or "not stated; ask whoever made it"
    yield f"Program: {about.licence['program']}. Data: {data}."


def _units(units: str | None) -> str:
    return "" if units in (None, "1") else str(units)


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else number(value)
    return " ".join(text.split()).replace("|", "\\|")
