"""Work and precision of the integrators on seven equations of the literature, against SciPy with NumPy.

Every method solves every equation at smaller and smaller tolerances until its error is 1e-6; a row compares the seconds
after which one of ours and the fastest of SciPy's methods come to the same error at the end, interpolated between
tolerances on logarithmic scales. The error is the largest relative error of a component. Everything that was solved is
in trails and evaluations of the rows. Some of ours also solve 64 samples at once, initial values varied by 1 % around
the one that is judged; SciPy solves one after the other. Seconds are those of the processor, which a busy machine
changes little. Evaluations are those that the programs count: SciPy's without those for difference quotients, ours
without derivatives.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any, Literal

import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from benchmarks import Row, version
from sciml import ode

TARGETS = (1e-4, 1e-6)
BATCH = 64
STIFF = ("rodas4", "rodas5p", "radauIIA5", "auto", "kvaerno5")
SMOOTH = ("dopri5", "tsit5", "dopri8")

Side = Callable[[float], tuple[list[float], int]]
"""``tolerance -> (state at the end, evaluations)``."""

Solved = tuple[float, float, int]
"""Seconds, error and evaluations of one solve, by sample."""


@dataclass(frozen=True)
class Problem:
    """An equation y' = f(y) with its solution at the end.

    Arguments:
        name: whose it is.
        slope: the components of f from those of y, for numbers and tensors alike.
        start, span, end: initial state, time, and the state then.
        methods, together, peers: ours, those that also solve a batch, and SciPy's.
        absolute: atol / rtol.
        source: where `end` is from.
    """

    name: str
    slope: Callable[..., list[Any]]
    start: tuple[float, ...]
    span: float
    end: tuple[float, ...]
    methods: tuple[str, ...] = STIFF
    together: tuple[str, ...] = STIFF[:3]
    peers: tuple[str, ...] = ("Radau", "LSODA")
    absolute: float = 1.0
    source: str = "SciPy's Radau at rtol 1e-11"

    def error(self, state: Iterable[float]) -> float:
        """The largest relative error of a component."""
        return max(abs(y - true) / abs(true) for y, true in zip(state, self.end, strict=True))


def _robertson(a, b, c):
    slow, fast, square = 0.04 * a, 1e4 * b * c, 3e7 * b * b
    return [fast - slow, slow - fast - square, square]


def _hires(a, b, c, d, e, f, g, h):
    return [
        -1.71 * a + 0.43 * b + 8.32 * c + 0.0007,
        1.71 * a - 8.75 * b,
        -10.03 * c + 0.43 * d + 0.035 * e,
        8.32 * b + 1.71 * c - 1.12 * d,
        -1.745 * e + 0.43 * f + 0.43 * g,
        -280 * f * h + 0.69 * d + 1.71 * e - 0.43 * f + 0.69 * g,
        280 * f * h - 1.81 * g,
        -280 * f * h + 1.81 * g,
    ]


def _orego(a, b, c):
    return [77.27 * (b + a * (1 - 8.375e-6 * a - b)), (c - (1 + a) * b) / 77.27, 0.161 * (a - c)]


def _van_der_pol(x, v):
    return [v, 1000 * (1 - x * x) * v - x]


def _brusselator(a, b):
    return [1 + a * a * b - 4 * a, 3 * a - a * a * b]


def _lorenz(x, y, z):
    return [10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z]


def _kepler(x, y, u, v):
    cube = (x * x + y * y) ** 1.5
    return [u, v, -x / cube, -y / cube]


_TEST_SET = "test set of Mazzia and Magherini"
_FINE = {
    "methods": SMOOTH,
    "together": ("dopri5", "dopri8"),
    "peers": ("DOP853", "LSODA"),
    "source": "SciPy's DOP853 at rtol 3e-14",
}
PROBLEMS = (
    Problem(
        "Robertson to 1e5",
        _robertson,
        (1.0, 0.0, 0.0),
        1e5,
        (1.786592114209946e-2, 7.274751468436319e-8, 0.9821340061103859),
        absolute=1e-6,
        source="Hairer, Wanner, Solving Ordinary Differential Equations II",
    ),
    Problem(
        "HIRES",
        _hires,
        (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057),
        321.8122,
        (
            7.371312573325668e-4,
            1.442485726316185e-4,
            5.888729740967575e-5,
            1.175651343283149e-3,
            2.386356198831331e-3,
            6.238968252742796e-3,
            2.849998395185769e-3,
            2.850001604814231e-3,
        ),
        absolute=1e-4,
        source=_TEST_SET,
    ),
    Problem(
        "OREGO",
        _orego,
        (1.0, 2.0, 3.0),
        360.0,
        (1.000814870318523, 1228.178521549917, 132.0554942846706),
        source=_TEST_SET,
    ),
    Problem(
        "Van der Pol 1000",
        _van_der_pol,
        (2.0, 0.0),
        2000.0,
        (1.706167732170469, -8.928097010248125e-4),
        absolute=1e-3,
        source=_TEST_SET,
    ),
    Problem("Brusselator", _brusselator, (1.5, 3.0), 20.0, (0.498637071268, 4.596780349452), **_FINE),
    Problem("Lorenz to 8", _lorenz, (1.0, 1.0, 1.0), 8.0, (-7.01249159351, -4.58588604070, 28.3854582955), **_FINE),
    Problem(
        "Kepler, e = 0.6, to 20",
        _kepler,
        (0.4, 0.0, 0.0, 2.0),
        20.0,
        (-0.77007557841, 0.78834481699, -0.89418373199, -0.12346176416),
        **_FINE,
    ),
)


def race(quick: bool) -> Iterable[Row]:
    """Two rows, for two errors, of every equation and method; quick ones for three equations."""
    tolerances = [10.0**-k for k in (range(3, 12, 2) if quick else range(3, 12))]
    for problem in PROBLEMS[1::2] if quick else PROBLEMS:
        yield from _against(problem, tolerances)


def _against(problem: Problem, tolerances: Sequence[float]) -> Iterator[Row]:
    sides: dict[str, Side] = {}
    for name in problem.methods:
        sides[name] = partial(_ours, problem, name, 1)
    for name in problem.together:
        sides[f"{name}, {BATCH} at once"] = partial(_ours, problem, name, BATCH)
    for name in problem.peers:
        sides[f"{name} by backend"] = partial(_ours, problem, name, 1, backend="scipy")
        sides[f"SciPy {name}"] = partial(_scipy, problem, name)
    solved: dict[str, list[Solved]] = {name: [] for name in sides}
    for tolerance in tolerances:  # sides in turns, so that a busy moment spoils one tolerance and not one side
        for name, side in sides.items():
            if solved[name] and solved[name][-1][1] <= min(TARGETS):
                continue
            solved[name].append(_timed(problem, side, tolerance, BATCH if name.endswith("once") else 1))
    for target in TARGETS:
        times = {name: _at(target, runs, 0) for name, runs in solved.items()}
        works = {name: _at(target, runs, 2) for name, runs in solved.items()}
        peers = {name: seconds for name in sides if name.startswith("SciPy") and (seconds := times[name]) is not None}
        best = min(peers, key=lambda name: peers[name]) if peers else None
        for name in sides:
            if name.startswith("SciPy"):
                continue
            seconds = times[name]
            yield Row(
                case=f"{problem.name}, to {target:.0e}: {name}",
                ours_s=math.nan if seconds is None else seconds,
                peer=best or "SciPy",
                peer_version=version("scipy"),
                peer_s=peers[best] if best else None,
                note=f"evaluations: ours {_shown(works[name])}, peer {_shown(works[best]) if best else '-'}",
                trails={key: [[(s, e) for s, e, _ in solved[key]]] for key in (name, *peers)},
                evaluations={key: [(n, e) for _, e, n in solved[key]] for key in (name, *peers)},
            )


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _timed(problem: Problem, side: Side, tolerance: float, samples: int) -> Solved:
    """One solve, three times where it is short."""
    seconds: list[float] = []
    while len(seconds) < 3 and sum(seconds) < 0.1:
        begin = time.process_time()
        state, evaluations = side(tolerance)
        seconds.append(time.process_time() - begin)
    return median(seconds) / samples, problem.error(state), evaluations


def _at(target: float, runs: Sequence[Solved], what: int) -> float | None:
    """Seconds (0) or evaluations (2) for an error, between the loosest tolerance that reaches it and the one before."""
    before: Solved | None = None
    for run in runs:
        if run[1] <= target:
            if before is None or run[1] <= 0:
                return float(run[what])
            share = math.log(before[1] / target) / math.log(before[1] / run[1])
            return math.exp((1 - share) * math.log(before[what]) + share * math.log(run[what]))
        before = run if math.isfinite(run[1]) else None
    return None


def _ours(
    problem: Problem, method: str, samples: int, tolerance: float, backend: Literal["sciml", "scipy"] = "sciml"
) -> tuple[list[float], int]:
    """The state of the first sample at the end, and its evaluations."""

    def f(time: Tensor, state: Tensor) -> Tensor:
        return torch.stack(problem.slope(*state.unbind(1)), dim=1)

    spread = 1 + 0.01 * torch.linspace(0, 1, samples, dtype=torch.float64)[:, None]
    start = torch.tensor([problem.start], dtype=torch.float64) * spread
    times = torch.tensor([0.0, problem.span], dtype=torch.float64)
    with torch.no_grad():
        solution = ode.solve(
            f,
            start,
            times,
            method=method,
            rtol=tolerance,
            atol=tolerance * problem.absolute,
            max_steps=1_000_000,
            backend=backend,
        )
    return solution.states[0, -1].tolist(), int(solution.stats.evaluations[0])


def _scipy(problem: Problem, method: str, tolerance: float) -> tuple[list[float], int]:
    found = solve_ivp(
        lambda time, state: problem.slope(*state.tolist()),
        (0.0, problem.span),
        problem.start,
        method=method,
        rtol=tolerance,
        atol=tolerance * problem.absolute,
    )
    return (found.y[:, -1].tolist() if found.success else [math.nan] * len(problem.start)), int(found.nfev)
