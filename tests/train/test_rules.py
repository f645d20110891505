"""Step rules in the one trainer: averages, exact resumption, settings that are read, samplers."""

import json
import math

import pytest
import torch
from collocation_cases import METHODS, ROD, SOLVER, build
from test_trainer import CONFIG, Regression, loss, make_module, quiet, same, score, smooth, trainer
from torch import nn

from sciml.core import registry, rng
from sciml.core.errors import ConfigError, Interrupted, NumericsError, UnsupportedError
from sciml.nn import ParameterGroup
from sciml.study import RunRequest, check_training, read_settings, refuse_ignored, run
from sciml.tasks.collocation import COLLOCATION, CollocationConfig
from sciml.tasks.discovery import DISCOVERY, DiscoveryConfig
from sciml.train import (
    GradientRule,
    Phases,
    PoissonSampler,
    ShuffleSampler,
    StepRule,
    TrainConfig,
    Trainer,
    find_solver,
)

HIDDEN = "lotka_volterra"


def gradient(folder, **changes):
    return trainer(folder, CONFIG.model_copy(update=changes))


def polish(folder, **changes):
    config = CONFIG.model_copy(update={"steps": 6, "polish": 5, "polish_iterations": 5, "evaluate_every": 2, **changes})
    return trainer(folder, config, module=smooth(), loss=quiet)


def pinn(folder, method, **changes):
    bench = COLLOCATION.prepare(registry.find_problem(ROD), "tiny", CollocationConfig(points=60, face_points=4))
    return by_solver(folder, SOLVER, bench, build(bench, **METHODS[method]), steps=12, batch_size=30, **changes)


def discovery(folder, key, steps, model, **changes):
    solver, problem = find_solver(key), registry.find_problem(HIDDEN)
    bench = DISCOVERY.prepare(problem, "tiny", DiscoveryConfig())
    config = solver.recipe("tiny").model.model_copy(update=model)
    rng.seed_everything(0)
    module = solver.build(problem, config, bench.context)
    return by_solver(folder, solver, bench, module, steps=steps, **changes)


def by_solver(folder, solver, bench, module, **settings):
    config = TrainConfig(**{"evaluate_every": 4, "checkpoint_every": 5, **settings})
    solver.initialise(module, bench.examples)
    return Trainer(
        module, solver.loss, bench.examples, lambda m: bench.validate(solver, m), config, folder=folder, seed=0,
        identity={}, rule=solver.step_rule(module, bench.examples, config),
    )  # fmt: skip


UPINN = {"members": 2, "width": 8, "hidden_width": 6, "collocation": 20, "adam": 5}
RULES = {
    "adamw": lambda folder, **more: gradient(folder, **more),
    "adamax": lambda folder, **more: gradient(folder, optimiser="adamax", **more),
    "sgd": lambda folder, **more: gradient(folder, optimiser="sgd", **more),
    "accumulated": lambda folder, **more: gradient(folder, accumulate=3, **more),
    "bf16": lambda folder, **more: gradient(folder, precision="bf16", **more),
    "polish": polish,
    **{f"pinn_{key}": lambda folder, key=key, **more: pinn(folder, key, **more) for key in sorted(METHODS)},
    "upinn": lambda folder, **more: discovery(folder, "upinn", 20, UPINN, **more),
    "universal_ode": lambda folder, **more: discovery(folder, "universal_ode", 20, {"warm": 4, "adam": 3}, **more),
}
SHORT = {"adamw", "polish", "pinn_gauss_newton", "upinn"}


def stopping(made, after):
    """The trainer, made to stop after so many steps."""
    take = made.rule.step

    def step(batch, along):
        value = take(batch, along)
        if made.steps_taken == after - 1:
            made.stop()
        return value

    made.rule.step = step
    return made


@pytest.mark.parametrize(
    ("key", "ema"), [*((key, 0.9) for key in sorted(RULES)), *((key, None) for key in sorted(SHORT))]
)
def test_every_rule_goes_on_as_if_it_had_never_stopped(tmp_path, key, ema):
    """k steps, a stop and n more give the bits of k + n: weights, average, log. Stops are in every phase of a rule."""
    straight = RULES[key](_made(tmp_path / "straight"), ema=ema)
    result = straight.fit()
    assert result.stopped or result.steps == straight.config.steps + straight.config.polish
    for after in (2, 6, 9) if key in SHORT else (6,):
        folder = _made(tmp_path / str(after))
        with pytest.raises(Interrupted):
            stopping(RULES[key](folder, ema=ema), after).fit()
        torch.manual_seed(12345)  # what a fresh process starts with does not matter
        again = RULES[key](folder, ema=ema)
        again.fit(resume=True)
        assert same(straight.module, again.module)
        if ema:
            assert same(straight.average, again.average)
        logs = [[json.loads(line) for line in (f / "log.jsonl").read_text().splitlines()]
                for f in (tmp_path / "straight", folder)]  # fmt: skip
        assert [{**line, "seconds": 0} for line in logs[0]] == [{**line, "seconds": 0} for line in logs[1]]


@pytest.mark.parametrize("key", sorted(SHORT - {"adamw"}))
def test_the_average_follows_whatever_takes_the_steps(tmp_path, key):
    """It is what is scored, kept and returned; untouched it would stay at the initial weights."""
    made = RULES[key](_made(tmp_path), ema=0.5)
    initial = {name: value.clone() for name, value in made.module.state_dict().items()}
    before = made.validate(made.module)
    result = made.fit()
    assert made.average.count == result.steps
    assert any(not torch.equal(initial[name], value) for name, value in made.module.state_dict().items())
    assert result.best < before


def test_a_pinn_with_an_average_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path))
    settings = ["train.steps=12", "model.width=6", "train.evaluate_every=12"]
    by_ema = {}
    for ema in ("train.ema=0.5", "train.steps=0"):
        by_ema[ema] = run(
            RunRequest(
                problem=ROD,
                solver="pinn",
                settings=(
                    *settings,
                    ema,
                ),
                out=tmp_path / ema,
            )
        ).metrics
    errors = {key: metrics["error/relative_l2"] for key, metrics in by_ema.items()}
    assert errors["train.ema=0.5"] < 0.5 * errors["train.steps=0"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_averages_are_those_of_the_formula_in_every_dtype(tmp_path, dtype):
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor([0.5], dtype=dtype))
            self.shift = nn.Parameter(torch.zeros(1))  # of another dtype than its neighbour

        def forward(self, x):
            return (self.scale * x).abs() + self.shift

    seen = []

    class Kept(GradientRule):
        def step(self, batch, along):
            value = super().step(batch, along)
            seen.append(self.module.scale.detach().clone())
            return value

    config = CONFIG.model_copy(update={"steps": 5, "ema": 0.3})
    module = Scale()
    measured = lambda m, b, along: (m(b.x) - b.y).square().mean()
    made = trainer(tmp_path, config, module=module, validate=lambda m: 0.0, rule=Kept(module, measured, config))
    made.fit()
    average = seen[0]
    for n, value in enumerate(seen[1:], start=1):
        decay = min(0.3, (1 + n) / (10 + n))
        average = decay * average + (1 - decay) * value
    kept = made.average.values["scale"]
    assert kept.dtype is dtype
    torch.testing.assert_close(kept, average, rtol=1e-6, atol=1e-7)
    assert torch.equal(made.module.scale.detach(), kept)


def test_shuffles_are_those_of_before():
    """The order of batches is part of every seeded result."""
    sampler, count, size = ShuffleSampler(3), 20, 8
    drawn = torch.cat([sampler.indices(step, count, size) for step in range(5)])
    orders = [torch.randperm(count, generator=rng.generator(3, "order", epoch)) for epoch in (0, 1)]
    assert torch.equal(drawn, torch.cat(orders))
    assert torch.equal(sampler.indices(3, count, size), drawn[24:32])


def test_the_shuffle_that_is_kept_changes_no_batch():
    """A batch is a function of seed and step, whatever was asked for before; larger ones span several epochs."""
    sampler = ShuffleSampler(3)
    steps = [0, 1, 2, 5, 4, 0, 9, 2]
    for size in (8, 50):
        asked = [sampler.indices(step, 20, size) for step in steps]
        fresh = [ShuffleSampler(3).indices(step, 20, size) for step in steps]
        assert all(torch.equal(a, b) for a, b in zip(asked, fresh, strict=True))
    assert len(set(sampler.indices(0, 7, 7).tolist())) == 7
    assert sampler.indices(1, 7, 21).bincount().tolist() == [3] * 7


def test_poisson_batches_have_the_rate_and_know_their_step():
    sampler = PoissonSampler(0)
    batches = [sampler.indices(step, 50, 5) for step in range(2000)]
    sizes = torch.tensor([float(len(batch)) for batch in batches])
    counts = torch.bincount(torch.cat(batches), minlength=50).double()
    assert float(sizes.mean()) == pytest.approx(5, abs=4 * math.sqrt(4.5 / 2000))
    assert float(sizes.var()) == pytest.approx(4.5, rel=0.15)  # n q (1 − q)
    assert float((counts - 200).abs().max()) < 5 * math.sqrt(2000 * 0.09)
    assert torch.equal(sampler.indices(7, 50, 5), batches[7])
    assert float(torch.tensor([len(PoissonSampler(0, 0.5).indices(s, 50, 5)) for s in range(400)]).double().mean()) > 24
    for rate in (0.0, 1.5):
        with pytest.raises(ConfigError, match="a probability"):
            PoissonSampler(0, rate)


def test_an_empty_batch_is_a_step_in_which_nothing_changes(tmp_path):
    """It counts, the schedule goes on, the log has no loss, and resuming is exact all the same."""
    config = CONFIG.model_copy(update={"steps": 20, "batch_size": 1, "evaluate_every": 1, "ema": 0.9})

    def made(folder):
        return trainer(_made(folder), config, examples=Regression(12), sampler=PoissonSampler(1))

    whole = made(tmp_path / "a")
    sizes = [len(whole.sampler.indices(step, 12, 1)) for step in range(20)]
    assert 0 in sizes
    assert whole.fit().steps == 20
    lines = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert [line["loss"] is None for line in lines] == [size == 0 for size in sizes]
    assert lines[-1]["learning_rate"] == pytest.approx(config.final_learning_rate)
    first = made(tmp_path / "b")
    first.validate = lambda m: (first.stop() if first.steps_taken == sizes.index(0) + 1 else None) or score(m)
    with pytest.raises(Interrupted):
        first.fit()
    again = made(tmp_path / "b")
    again.fit(resume=True)
    assert same(whole.module, again.module)


def test_phases_follow_one_another_and_end_with_a_reason():
    class Count(StepRule):
        def __init__(self, name, most=10**6):
            self.name, self.most, self.taken = name, most, 0

        @property
        def stopped(self):
            return f"{self.name} is done" if self.taken >= self.most else ""

        def step(self, batch, along):
            self.taken += 1
            order.append(self.name)
            return torch.zeros(())

        def state_dict(self):
            return {"taken": self.taken}

        def load_state_dict(self, state):
            self.taken = state["taken"]

    order = []
    phases = Phases([(Count("none"), 0), (Count("a"), 2), (Count("b", most=1), 5), (Count("c"), 2)], ends="enough")
    while not phases.stopped:
        phases.step(None, 0.0)
    assert order == ["a", "a", "b", "c", "c"]
    assert phases.stopped == "enough"
    assert Phases([(Count("a", most=0), 3)]).stopped == "a is done"


def test_weights_are_kept_once_the_rule_says_so(tmp_path):
    class Late(GradientRule):
        @property
        def candidate(self):
            return self._taken > 3

    module = make_module()
    config = CONFIG.model_copy(update={"steps": 6, "evaluate_every": 1})
    late = trainer(tmp_path, config, module=module, rule=Late(module, loss, config))
    late.validate = lambda _: float(late.steps_taken)  # the first ones score best
    result = late.fit()
    assert (result.best, result.best_step) == (4.0, 4)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 6
    assert Phases([(late.rule, 1)]).candidate


def test_polish_is_of_the_gradient_rule_alone(tmp_path):
    config, module = CONFIG.model_copy(update={"polish": 2}), make_module()
    with pytest.raises(ConfigError, match="follows the steps of the gradient rule"):
        trainer(tmp_path, config, module=module, rule=GradientRule(module, loss, config))


def test_a_rule_that_says_its_step_broke_ends_the_run(tmp_path):
    class Broken(GradientRule):
        def step(self, batch, along):
            return super().step(batch, along) * (math.nan if self._taken == 4 else 1.0)

    module = make_module()
    with pytest.raises(NumericsError, match="at step 4: field h is not finite"):
        trainer(
            tmp_path, module=module, rule=Broken(module, loss, CONFIG), explain=lambda m, b: "field h"
        ).fit()  # fmt: skip


@pytest.mark.parametrize(
    ("key", "setting", "words"),
    [
        ("pinn", "train.learning_rate=0.1", "model.optimise.learning_rate"),
        ("pinn", "train.accumulate=2", "Leave it out"),
        ("upinn", "train.learning_rate=0.1", "model.learning_rate"),
        ("upinn", "train.batch_size=3", "steps"),
        ("universal_ode", "train.clip=1", "does not read train.clip"),
        ("kernel_ridge", "train.steps=5", "it takes no steps"),
    ],
)
def test_a_setting_that_would_be_ignored_is_refused(key, setting, words):
    solver = find_solver(key)
    with pytest.raises(ConfigError, match=words):
        refuse_ignored(solver, solver.recipe("tiny"), ["model.width=3", setting])
    assert read_settings(solver, ["model.width=3", setting]) == ["model.width=3"]


def test_it_is_refused_before_any_work(tmp_path):
    with pytest.raises(ConfigError, match=r"solver 'upinn' does not read train\.clip"):
        run(RunRequest(problem=HIDDEN, solver="upinn", settings=("train.clip=1",), out=tmp_path))
    with pytest.raises(UnsupportedError, match=r"cannot be split: mean and variance .* train.accumulate=10"):
        run(RunRequest(problem="spiral_sde", solver="neural_sde", settings=("train.accumulate=10",), out=tmp_path))
    assert not list(tmp_path.iterdir())


def test_what_splits_a_batch_needs_a_mean_over_samples():
    pooled, mean, collocation = (find_solver(key) for key in ("neural_sde", "sinenet", "pinn"))
    check_training(pooled, TrainConfig(), 1)
    check_training(mean, TrainConfig(accumulate=2, polish=1), 1)
    for config, processes in ((TrainConfig(accumulate=2), 1), (TrainConfig(polish=1), 1), (TrainConfig(), 2)):
        with pytest.raises(UnsupportedError, match="cannot be split"):
            check_training(pooled, config, processes)
    check_training(mean, TrainConfig(), 2)
    for solver, config in ((collocation, TrainConfig()), (mean, TrainConfig(polish=1))):
        with pytest.raises(UnsupportedError, match="several processes cannot share"):
            check_training(solver, config, 2)


def test_steps_decide_how_long_upinn_trains(tmp_path):
    made = run(
        RunRequest(
            problem=HIDDEN,
            solver="upinn",
            settings=(
                "train.steps=7",
                "model.width=6",
                "baselines=[]",
            ),
            out=tmp_path,
        )
    )
    assert made.record.train.steps == 7


def _made(folder):
    folder.mkdir(exist_ok=True)
    return folder


def test_weights_of_a_group_have_their_own_peak_and_no_decay():
    """The schedule falls from each peak; a step without a gradient shows the decay alone, which is exact."""

    class Clock(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.log_dt = nn.Parameter(torch.ones(2)), nn.Parameter(torch.full((2,), -3.0))

        def parameter_groups(self):
            return (ParameterGroup((self.log_dt,), max_learning_rate=1e-3),)

    module = nn.Sequential(Clock())
    config = TrainConfig(steps=4, learning_rate=1e-2, weight_decay=0.1, warmup=0.0, final_learning_rate=1e-8, clip=None)
    rule = GradientRule(module, lambda module, batch, along: 0 * sum(p.sum() for p in module.parameters()), config)
    rates = []
    for step in range(4):
        rates.append([group["lr"] for group in rule.state_dict()["optimiser"]["param_groups"]])
        rule.step(Regression().batch(torch.arange(2), rng.generator(0)), step / 4)
    ordinary, slow = zip(*rates, strict=True)
    assert slow == pytest.approx([rate / 10 for rate in ordinary])
    assert ordinary[0] == 1e-2 > ordinary[2] > ordinary[3]
    assert (module[0].log_dt == -3).all()
    kept = math.prod(1 - 0.1 * rate for rate in ordinary)
    torch.testing.assert_close(module[0].weight.detach(), torch.full((2,), kept))
    saved = rule.state_dict()
    again = GradientRule(module, lambda module, batch, along: torch.zeros(()), config)
    again.load_state_dict(saved)
    assert again.logged() == rule.logged()
