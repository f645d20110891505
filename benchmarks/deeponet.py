"""Learning operators: our DeepONet against DeepXDE's, one training step and the time to an error.

The operator is the antiderivative with exact labels, the network that of the paper's code (100 sensors, two weight
layers of 40 in branch and trunk, 7,401 parameters), float32. A step is what either training loop takes: draw a batch,
loss, gradient, Adam at a constant rate. Both sides start from the same weights, and `differ` compares their losses on
all pairs over three steps. Races to an error start from the same weights too; there ours is the recipe of the solver,
the peer's is that of the paper's code (all pairs at once, Adam at 1e-3). The relative L2 error on 200 new functions is
looked at outside of the clock, and seconds are the processor's for the one thread in use.
"""

import contextlib
import io
import time
from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks import Row, paired, version
from sciml.core import registry, rng
from sciml.core.capabilities import MapsFunctions
from sciml.core.guests import deepxde
from sciml.solvers.deeponet import DeepONetConfig, DeepONetSolver, make_deepxde_operator
from sciml.tasks.operator import OPERATOR, OperatorBench, OperatorConfig, PairBatch, pair_errors
from sciml.train import GradientRule, ShuffleSampler, TrainConfig

SOLVER = DeepONetSolver()
TARGETS = (0.2, 0.1)
BUDGET = 8.0
CONSTANT = TrainConfig(
    steps=10**6, learning_rate=1e-3, final_learning_rate=1e-3, warmup=0.0, weight_decay=0.0, clip=None
)
BEST = TrainConfig(steps=6000, learning_rate=3e-3, final_learning_rate=1e-5, warmup=0.02, weight_decay=0.0, clip=None)


def race(quick: bool) -> Iterable[Row]:
    """Rows for steps on rows and on products, and for times to errors (without these if quick)."""
    repeats = 5 if quick else 15
    rows, product = _bench(10_000, 1), _bench(1000, 0)
    yield _steps("10,000 rows, all at once", rows, None, repeats)
    yield _steps("10,000 rows, batches of 1000", rows, 1000, repeats)
    yield _steps("1000 functions at 201 points, all at once", product, None, repeats)
    yield _steps("1000 functions at 201 points, batches of 64", product, 64, repeats)
    yield _steps("64 functions at 201 points; the peer has 12,864 rows", _bench(64, 0), None, repeats, pointwise=True)
    yield _steps("1000 functions at 201 points; the peer has 201,000 rows", product, None, 3, pointwise=True)
    if not quick:
        yield from _to_error("10,000 rows", rows, 1000, 3)
        yield from _to_error("1000 functions at 201 points", product, 64, 3)


def _bench(functions: int, points: int) -> OperatorBench:
    """`functions` integrals at `points` of 201 queries each; 0 for all."""
    settings = OperatorConfig(functions=functions, points=points, probes=())
    problem = registry.problem("antiderivative")
    assert isinstance(problem, MapsFunctions)
    return OPERATOR.prepare(problem, "tiny", settings)


class Side:
    """Our training: the module, what takes its steps, and its batches."""

    def __init__(self, bench: OperatorBench, batch_size: int | None, config: TrainConfig, seed: int) -> None:
        rng.seed_everything(seed)
        self.bench, self.size = bench, batch_size or len(bench.examples)
        self.module = SOLVER.build(bench.problem, DeepONetConfig(), bench.context).train()
        self.rule = GradientRule(self.module, lambda _, batch, along: SOLVER.loss(self.module, batch, along), config)
        self.sampler, self.taken = ShuffleSampler(seed), 0

    def whole(self) -> PairBatch:
        """All pairs."""
        return self.bench.examples.batch(torch.arange(len(self.bench.examples)), rng.generator(0))

    def step(self) -> float:
        """Draw, and take a step; its loss."""
        drawn = self.sampler.indices(self.taken, len(self.bench.examples), self.size)
        self.taken += 1
        return float(self.rule.step(self.bench.examples.batch(drawn, rng.generator(0)), 0.0))

    def errors(self, answer: Callable[[Tensor, Tensor], Tensor]) -> float:
        """The relative L2 error of some function on the test split."""
        test = self.bench.splits["test"]
        with torch.no_grad():
            values = answer(test.functions[test.row], test.queries)
        return pair_errors(values, test.values, aligned=True)["relative_l2"]


def _peer(package: Any, side: Side, batch_size: int | None, *, pointwise: bool) -> tuple[Any, Callable[[], float]]:
    """DeepXDE's model with our weights, compiled, and its step."""
    with contextlib.redirect_stdout(io.StringIO()):
        model = make_deepxde_operator(package, side.module, side.whole(), pointwise=pointwise)
        model.compile("adam", lr=1e-3, verbose=0)

    def step() -> float:
        inputs, targets = model.data.train_next_batch(batch_size)
        model._train_step(inputs, targets, None)
        return 0.0

    return model, step


def _loss_of(model: Any) -> float:
    inputs, targets = model.data.train_next_batch(None)
    return float(model._outputs_losses(True, inputs, targets, None)[1].sum())


def _steps(case: str, bench: OperatorBench, batch_size: int | None, repeats: int, *, pointwise: bool = False) -> Row:
    with deepxde() as package:
        side = Side(bench, batch_size, CONSTANT, 0)
        whole = Side(bench, None, CONSTANT, 0)  # compared on all pairs, whatever is timed
        model, _ = _peer(package, whole, None, pointwise=pointwise)
        differ, inputs = 0.0, model.data.train_next_batch(None)
        for _ in range(3):
            theirs = _loss_of(model)
            differ = max(differ, abs(whole.step() - theirs) / theirs)
            model._train_step(*inputs, None)
        model, theirs_step = _peer(package, side, batch_size, pointwise=pointwise)
        inner = 1 if pointwise and len(bench.examples) > 100 else 10

        def repeated(step: Callable[[], float]) -> Callable[[], list[float]]:
            return lambda: [step() for _ in range(inner)]

        seconds = paired(repeated(side.step), repeated(theirs_step), repeats=repeats)
    return Row(
        case=f"step, {case}",
        ours_s=seconds[0] / inner,
        peer="deepxde",
        peer_version=version("deepxde"),
        peer_s=seconds[1] / inner,
        equal=differ,
        note="differ: losses of three steps from the same weights",
    )


def _trail(
    side: Side, step: Callable[[], float], answer: Callable[[Tensor, Tensor], Tensor], every: int, steps: int
) -> list[tuple[float, float]]:
    """Seconds and error after every few steps, until the last target, the last step or the budget."""
    spent, trail = 0.0, []
    for start in range(0, steps, every):
        since = time.process_time()
        for _ in range(min(every, steps - start)):
            step()
        spent += time.process_time() - since
        trail.append((spent, side.errors(answer)))
        if trail[-1][1] < TARGETS[-1] or spent > BUDGET:
            break
    return trail


def _answers(net: Any, side: Side, *, is_product: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """What the peer's network says of functions at shared queries, in physical units."""
    scales = side.module.scales

    def answer(functions: Tensor, queries: Tensor) -> Tensor:
        u, y = scales.standardise(functions), scales.unit(queries)
        if is_product:
            return scales.restore(net((u, y))[..., None])
        rows = u.repeat_interleave(len(y), dim=0), y.repeat(len(u), 1)
        return scales.restore(net(rows).view(len(u), len(y), 1))

    return answer


def _to_error(case: str, bench: OperatorBench, batch_size: int, seeds: int) -> Iterator[Row]:
    trails: dict[str, list[list[tuple[float, float]]]] = {"ours": [], "deepxde": []}
    for seed in range(seeds):
        with deepxde() as package:
            side = Side(bench, batch_size, BEST, seed)
            model, step = _peer(package, side, None, pointwise=False)
            theirs = _answers(model.net, side, is_product=bench.splits["train"].query is None)
            runs = [("ours", side.step, side.module, BEST.steps), ("deepxde", step, theirs, 10**6)]
            for name, take, answer, steps in runs if seed % 2 == 0 else runs[::-1]:
                trails[name].append(_trail(side, take, answer, 50, steps))
    for target in TARGETS:
        ours, peer = ([_arrival(trail, target) for trail in trails[name]] for name in ("ours", "deepxde"))
        ended = " ".join(f"{trail[-1][1]:.2g} after {trail[-1][0]:.0f} s;" for trail in trails["deepxde"])
        if None in ours:
            last = ", ".join(f"{trail[-1][1]:.2g} after {trail[-1][0]:.0f} s" for trail in trails["ours"])
            print(f"{case}: ours did not reach {target:g} with every seed: {last}; peer {ended}")
            continue
        met = [seconds for seconds in peer if seconds is not None]
        yield Row(
            case=f"to {target:g}, {case}",
            ours_s=median([seconds for seconds in ours if seconds is not None]),
            peer="deepxde",
            peer_version=version("deepxde"),
            peer_s=median(met) if len(met) == seeds else None,
            note=f"ours {_words(ours)}; peer {_words(peer)}; the peer ended at {ended}",
            trails=trails,
        )


def _arrival(trail: list[tuple[float, float]], target: float) -> float | None:
    return next((seconds for seconds, error in trail if error < target), None)


def _words(seconds: list[float | None]) -> str:
    return " ".join("-" if s is None else f"{s:.2f}" for s in seconds)
