"""Predicted latencies of networks that were not seen, against what FLOPs or a table of choices say.

Every case is the tool `latency` on a run of one step: random networks of the solver's space are measured on this
machine, four fifths are learned from, and the last fifth is predicted. The numbers of a row are errors, not times to do
something: the mean of |predicted - measured| / measured, of our predictor and of the peer, which is
fitted to the same networks. The repeat error of the measurement, which nothing can fall below, is in the note.

Then searches with a target: by how much the network that is found misses it, measured once more, beside a tenth.
"""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import sciml
from benchmarks import Row, version
from sciml.study import load_run
from sciml.tools.cost import measure_latencies
from sciml.tools.search import read_costs

CASES = (
    ("unet", "shallow_water", 300, 2.0),
    ("unet", "kuramoto_sivashinsky_1d", 300, 1.5),
    ("lssl", "mass_spring_identification", 100, 4.0),
    ("deeponet", "antiderivative", 500, 0.7),
    ("pinn", "heat", 500, 0.7),
)
"""Solver, problem, networks, and seconds of patience for a dozen of them."""
TARGETS = (("mlp_rows", "borehole"), ("deeponet", "antiderivative"))
SHARES = (0.15, 0.5, 0.85)  # of the networks measured that a target is above
NETS, STEPS = 150, 400
ASKED = 0.1


def race(quick: bool) -> Iterable[Row]:
    """Rows of predictions, then of targets; few networks of the last space and one target if quick."""
    yield from predictions(quick)
    for solver, problem in TARGETS[:1] if quick else TARGETS:
        yield from targets(solver, problem, SHARES[1:2] if quick else SHARES)


def predictions(quick: bool) -> Iterable[Row]:
    """Two rows per space: against FLOPs and against a table."""
    for solver, problem, nets, patience in CASES[-1:] if quick else CASES:
        with tempfile.TemporaryDirectory() as folder:
            parent = sciml.run(problem, solver=solver, settings=["train.steps=1", "baselines=[]"], out=Path(folder))
            asked = [f"nets={40 if quick else nets}", f"patience={0.0 if quick else patience}"]
            child = sciml.tool("latency", parent.folder, settings=asked)
            found = child.record.findings["latency"].metrics
        note = (
            f"{int(found['nets'] or 0)} networks, relative errors, tau {found['predictor_tau']:.2f}, repeats within "
            f"{100 * (found['repeat_error'] or 0):.1f} %"
        )
        for peer, key in (("FLOPs", "flops_error"), ("table of choices", "additive_error")):
            yield Row(
                case=f"{solver} on {problem}",
                ours_s=float(found["predictor_error"] or 0),
                peer=peer,
                peer_version=version("sciml"),
                peer_s=float(found[key] or 0),
                note=note,
            )


def targets(solver: str, problem: str, shares: Iterable[float]) -> Iterable[Row]:
    """How far searches with a target end from it, as multiples of the target."""
    with tempfile.TemporaryDirectory() as folder:
        parent = sciml.run(problem, solver=solver, settings=["train.steps=1", "baselines=[]"], out=Path(folder))
        file = sciml.tool("latency", parent.folder, settings=[f"nets={NETS}"]).folder / "latency.json"
        table = read_costs(file)
        for share in shares:
            target = sorted(table.costs)[int(share * len(table.costs))]
            asked = [f"latency={file}", f"target_latency_ms={1e3 * target}", f"steps={STEPS}"]
            child = sciml.tool("search", parent.folder, settings=asked)
            calls = {"parent": prediction(parent.folder), "child": prediction(child.folder)}
            times = measure_latencies(calls, processor=True, patience=4.0)
            cost = times["child"].seconds * table.anchor / times["parent"].seconds
            yield Row(
                case=f"{solver} on {problem}, target {1e3 * target:.3g} ms",
                ours_s=abs(cost / target - 1),
                peer="a tenth",
                peer_version=version("sciml"),
                peer_s=ASKED,
                note=f"{1e3 * cost:.3g} ms measured; {1e3 * table.anchor:.3g} ms of the network searched from",
            )


def prediction(folder: Path) -> Callable[[], object]:
    """One prediction of a run."""
    run = load_run(folder)
    example = run.example()
    return lambda: run.solver.predict(run.module, example)
