"""Predicted latencies of networks that were not seen, against what FLOPs or a table of choices say.

Every case is the tool `latency` on a run of one step: random networks of the solver's space are measured on this
machine, four fifths are learned from, and the last fifth is predicted. The numbers of a row are errors, not times to do
something: the mean of |predicted - measured| / measured, of our predictor and of the peer, which is
fitted to the same networks. The repeat error of the measurement, which nothing can fall below, is in the note.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import sciml
from benchmarks import Row, version

CASES = (
    ("unet", "shallow_water", 300, 4.0),
    ("unet", "kuramoto_sivashinsky_1d", 300, 3.0),
    ("lssl", "mass_spring_identification", 100, 4.0),
    ("deeponet", "antiderivative", 500, 1.5),
    ("pinn", "heat", 500, 1.5),
)
"""Solver, problem, networks, and seconds of patience for a dozen of them."""


def race(quick: bool) -> Iterable[Row]:
    """Two rows per space: against FLOPs and against a table; the last space with few networks if quick."""
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
