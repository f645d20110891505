"""Solving differential equations by networks: our recipes against DeepXDE, time to an error.

First like with like: the network, the points, the precision (float64) and the built-in conditions of our recipe in
DeepXDE, with L-BFGS, its best method there. Then the recipe of the example of DeepXDE's distribution for the same
problem as it is published (folder examples/pinn_forward: float32, Adam, perhaps L-BFGS); where a number differs from
the example the note says so. Ours is a recipe of the solver `pinn`; what it has for the problem at hand alone is named
in the row. Sides go on until the relative L2 error on the card's lattice, measured outside the clock, falls below the
targets, or until they have spent the budget of a run, `Case.limit`: 20 s like with like, 40 s as published, so that the
whole race takes about ten minutes of one core. Imports, the statement in sympy, the building of networks and points,
and the examinations are not counted; every step that is taken is. Seconds are the processor's for the one thread in
use, so that other work on the machine counts for little. A side that does not get there in its budget has no time, and
its note says after how many seconds it stood where. Notes also give the median error of both sides after a few times.
Steps of Adam come last, with the seconds that compiling took.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Self

import torch
from torch import Tensor

from benchmarks import Row, paired, version
from sciml.core import registry, rng
from sciml.core.config import override
from sciml.solvers.pinn import (
    PINN,
    DeepXDEConfig,
    PINNConfig,
    PINNSolver,
    deepxde,
    make_deepxde_model,
    train_deepxde,
)
from sciml.tasks.collocation import COLLOCATION, CollocationBench, CollocationConfig, CollocationExamples
from sciml.train import Recipe

TARGETS = (1e-3, 1e-4)
LOOKS = (0.3, 1.0, 3.0, 10.0, 20.0)
"""Seconds at which the errors are reported."""
SOLVER = PINNSolver()

PINNRecipe = Recipe[PINNConfig, CollocationConfig]


@dataclass(frozen=True)
class Case:
    """One problem, its published recipe and where that is from.

    Arguments:
        problem, case: of the registry.
        recipe: the published one.
        source: the file that it is from, and what is different.
        preset: of our recipe.
        settings: what ours has for this problem.
        named: the settings in words.
        seeds: of both sides.
        limit: seconds that a run may spend.
    """

    problem: str
    case: str
    recipe: DeepXDEConfig
    source: str
    preset: str = "tiny"
    settings: tuple[str, ...] = ()
    named: str = ""
    seeds: int = 1
    limit: float = 40.0

    @property
    def title(self) -> str:
        """Problem and case, and what ours has for them."""
        return f"{self.problem} {self.case}" + (f" ({self.named})" if self.named else "")

    def alike(self) -> Self:
        """The network and points of our recipe in DeepXDE: in double precision, conditions built in, by L-BFGS."""
        recipe, bench = _bench(replace(self, settings=()))
        twin = DeepXDEConfig(
            hidden=(recipe.model.width,) * recipe.model.layers,
            activation=recipe.model.activation,
            initialiser="Glorot uniform",
            domain=len(bench.examples),
            boundary=0,
            initial=0,
            adam=0,
            lbfgs=MOST,
            hard=True,
        )
        return replace(self, recipe=twin, source="", settings=(), named="", seeds=2, limit=20.0)


MOST = 15_000
"""Iterations of L-BFGS that DeepXDE's own examples allow."""
CASES = (
    Case(
        "poisson",
        "line",
        DeepXDEConfig(hidden=(50, 50, 50), initialiser="Glorot uniform", domain=16, boundary=2, adam=10_000, lbfgs=0),
        "Poisson_Dirichlet_1d.py",
    ),
    Case("heat", "sine", DeepXDEConfig(adam=20_000), "heat.py"),
    Case("burgers", "sharp", DeepXDEConfig(adam=15_000), "Burgers.py, t to 1 for 0.99", preset="small"),
    Case(
        "helmholtz",
        "two",
        DeepXDEConfig(
            hidden=(150, 150, 150),
            activation="sin",
            initialiser="Glorot uniform",
            domain=400,
            boundary=80,
            adam=5_000,
            lbfgs=0,
            hard=True,
        ),
        "Helmholtz_Dirichlet_2d.py, hard conditions",
        settings=("model.embedding.fourier=20", "model.embedding.sigma=2.0"),
        named="ours with 20 Fourier features",
    ),
)
ALIKE = (*CASES[:2], Case("burgers", "smooth", CASES[2].recipe, ""), CASES[3])
"""Problems on which both sides have the same network; the sharp front needs points that move."""


@dataclass
class Clock:
    """Seconds of training, without those of the examinations, and when each target was met."""

    bench: CollocationBench
    limit: float
    spent: float = 0.0
    error: float = float("inf")
    met: dict[float, float] = field(default_factory=dict)
    trail: list[tuple[float, float]] = field(default_factory=list)

    def start(self) -> None:
        """Go on."""
        self._since = time.process_time()

    def look(self, values: Callable[[], Tensor]) -> bool:
        """Stop, compare ``values()`` with the reference; whether all is done. `start` goes on."""
        self.spent += time.process_time() - self._since
        gap = values() - self.bench.reference
        self.error = float(gap.norm() / self.bench.reference.norm())
        self.trail.append((self.spent, self.error))
        for target in TARGETS:
            if self.error < target:
                self.met.setdefault(target, self.spent)
        self.start()
        return len(self.met) == len(TARGETS) or self.spent > self.limit

    def after(self, seconds: float) -> float:
        """The smallest error until then, infinite before the first look."""
        return min((error for spent, error in self.trail if spent <= seconds), default=math.inf)


def race(quick: bool) -> Iterable[Row]:
    """Time to 1e-3 and to 1e-4, sides in turns: like with like, then as published; then seconds per step."""
    for case in ALIKE[:2] if quick else ALIKE:
        yield from _time_to_error(case.alike(), "like with like", seeds=1 if quick else 2)
    for case in CASES[:1] if quick else CASES:
        yield from _time_to_error(case, "as published", seeds=1 if quick else case.seeds)
    for case in CASES[:2] if quick else CASES:
        for engine in ("taylor",) if quick else ("taylor", "traced"):
            yield _step_time(case, engine, repeats=5 if quick else 15)


def _bench(case: Case) -> tuple[PINNRecipe, CollocationBench]:
    recipe = override(SOLVER.recipe(case.preset), [f"task.case={case.case}", *case.settings])
    return recipe, COLLOCATION.prepare(registry.problem(case.problem), case.preset, recipe.task)


def _ours(case: Case, seed: int) -> tuple[Clock, int]:
    """Our recipe to the targets; clock and steps."""
    recipe, bench = _bench(case)
    module = _built(recipe, bench, seed)
    rule = SOLVER.step_rule(module, bench.examples, recipe.train)
    clock, taken = Clock(bench, case.limit), 0
    clock.start()
    for step in range(recipe.train.steps):
        rule.step(rule.whole, step / recipe.train.steps)
        taken = step + 1
        if clock.look(lambda: module(bench.lattice).detach()) or rule.stopped:
            break
    return clock, taken


def _built(recipe: PINNRecipe, bench: CollocationBench, seed: int) -> PINN:
    rng.seed_everything(seed)
    return SOLVER.build(bench.problem, recipe.model, bench.context)


def _theirs(case: Case, seed: int) -> tuple[Clock, int]:
    """The peer's recipe to the targets; clock and steps of Adam plus iterations of L-BFGS."""
    _, bench = _bench(case)
    clock, taken = Clock(bench, case.limit), [0]
    with deepxde() as dde:
        if not case.source:
            dde.config.set_default_float("float64")  # as ours; put back at the end
        model, unknowns = make_deepxde_model(dde, bench.statement, case.recipe, seed=seed)
        points = bench.lattice.numpy()

        class Watch(dde.callbacks.Callback):
            def on_epoch_end(self) -> None:
                taken[0] = self.model.train_state.step
                if self.model.opt_name == "adam" and taken[0] % 50:
                    return
                self.model.stop_training = clock.look(lambda: torch.from_numpy(self.model.predict(points)).double())

        clock.start()
        train_deepxde(dde, model, case.recipe, unknowns, [Watch()])
    return clock, taken[0]


def _time_to_error(case: Case, kind: str, seeds: int) -> Iterator[Row]:
    ours, theirs = [], []
    for seed in range(seeds):
        for side, runs in ((_ours, ours), (_theirs, theirs)) if seed % 2 == 0 else ((_theirs, theirs), (_ours, ours)):
            runs.append(side(case, seed))
    for target in TARGETS:
        mine, peer = ([clock.met.get(target) for clock, _ in runs] for runs in (ours, theirs))
        sides = [f"{name} {_words(times)}" for name, times in (("ours", mine), ("peer", peer))]
        note = f"{seeds} seeds: {'; '.join(sides)}"
        for name, times, runs in (("ours", mine, ours), ("the peer", peer, theirs)):
            if None in times:
                short = [run for run, seconds in zip(runs, times, strict=True) if seconds is None]
                note += f"; {name}: not reached, " + ", ".join(_end(clock, steps) for clock, steps in short)
        note += f"; errors {_errors(ours, theirs)}" + (f"; {case.source}" if case.source else "")
        yield Row(
            case=f"{case.title}, {kind}, to {target:g}",
            ours_s=_median(mine, ours),
            peer="deepxde",
            peer_version=version("deepxde"),
            peer_s=None if None in mine or None in peer else _median(peer, theirs),
            note=note,
            trails={"ours": [clock.trail for clock, _ in ours], "deepxde": [clock.trail for clock, _ in theirs]},
        )


def _median(met: list[float | None], runs: list[tuple[Clock, int]]) -> float:
    """Seconds to the target, or all that were spent where it was not met."""
    return median(clock.spent if seconds is None else seconds for seconds, (clock, _) in zip(met, runs, strict=True))


def _end(clock: Clock, steps: int) -> str:
    return f"{clock.error:.1e} in {clock.spent:.0f} s and {steps} steps"


def _errors(*sides: list[tuple[Clock, int]]) -> str:
    """Median errors of ours and the peer's after each of `LOOKS`."""
    medians = [[median(clock.after(seconds) for clock, _ in side) for side in sides] for seconds in LOOKS]
    return ", ".join(f"{s:g} s {a:.1e} and {b:.1e}" for s, (a, b) in zip(LOOKS, medians, strict=True))


def _words(seconds: list[float | None]) -> str:
    return " ".join("-" if s is None else f"{s:.2f}" for s in seconds)


def _step_time(case: Case, engine: str, repeats: int) -> Row:
    """One step of Adam on the peer's network, points and precision; the note has the seconds that the first step took,
    in which a traced one is compiled.
    """
    recipe, bench = _bench(case)
    peer = case.recipe
    recipe = override(
        recipe,
        [
            f"model.width={peer.hidden[0]}",
            f"model.layers={len(peer.hidden)}",
            f"model.hard={str(peer.hard).lower()}",
            f"model.activation={peer.activation}",
            "model.embedding.fourier=0",
            "model.optimise.method=adam",
            f"model.optimise.engine={engine}",
            f"model.optimise.compile={str(engine == 'traced').lower()}",
            "model.adapt.kind=none",
            f"task.points={peer.domain + peer.boundary + (peer.initial if bench.statement.domain.time else 0)}",
            f"task.face_points={max(1, peer.boundary // 2)}",
        ],
    )
    bench = COLLOCATION.prepare(bench.problem, "tiny", recipe.task)
    module = _built(recipe, bench, 0).float()
    rule = SOLVER.step_rule(module, _single(bench.examples), recipe.train)
    with deepxde() as dde:
        model, unknowns = make_deepxde_model(dde, bench.statement, peer, seed=0)
        train_deepxde(dde, model, peer.model_copy(update={"adam": 1, "lbfgs": 0}), unknowns, [])
        state = model.train_state
        count = len(state.X_train)

        def theirs() -> None:
            for _ in range(10):
                model._train_step(state.X_train, state.y_train, state.train_aux_vars)

        def ours() -> None:
            for _ in range(10):
                rule.step(rule.whole, 0.0)

        start = time.perf_counter()
        rule.step(rule.whole, 0.0)
        first = time.perf_counter() - start
        seconds = paired(ours, theirs, repeats=repeats)
    return Row(
        case=f"{case.problem} {case.case}, step of Adam, {engine}",
        ours_s=seconds[0] / 10,
        peer="deepxde",
        peer_version=version("deepxde"),
        peer_s=seconds[1] / 10,
        note=f"same network; float32; ours {len(bench.examples)} points, peer {count} with those of faces; "
        f"first step {first:.1f} s",
    )


def _single(examples: CollocationExamples) -> CollocationExamples:
    """The examples in single precision."""
    examples.points = examples.points.float()
    examples.faces = {i: points.float() for i, points in examples.faces.items()}
    return examples
