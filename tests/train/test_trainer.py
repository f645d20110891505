import itertools
import json
import math
import os
import signal

import pytest
import torch
from torch import nn

from sciml.core import rng
from sciml.core.errors import CheckpointError, Interrupted, NumericsError
from sciml.train import TrainConfig, Trainer


class Rows:
    """A batch of rows: what the trainer asks of any batch."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def rows(self, rows):
        return Rows(self.x[rows], self.y[rows])

    def to(self, device):
        return Rows(self.x.to(device), self.y.to(device))


class Regression:
    """A noisy sine to fit; the noise is drawn anew in every step."""

    def __init__(self, count=37):
        self.x = torch.linspace(-1, 1, count)[:, None]
        self.seen = []

    def __len__(self):
        return len(self.x)

    def batch(self, indices, generator):
        self.seen.append(indices.tolist())
        x = self.x[indices]
        return Rows(x, torch.sin(3 * x) + 0.01 * torch.randn(x.shape, generator=generator))


def make_module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 16), nn.Dropout(0.1), nn.Tanh(), nn.Linear(16, 1))


def loss(module, batch, along=1.0):
    return (module(batch.x) - batch.y).square().mean()


def score(module):
    module.eval()
    with torch.no_grad():
        x = torch.linspace(-1, 1, 11)[:, None]
        return float((module(x) - torch.sin(3 * x)).square().mean())


CONFIG = TrainConfig(steps=30, batch_size=8, learning_rate=1e-2, evaluate_every=7, checkpoint_every=10, ema=0.9)


def trainer(folder, config=CONFIG, module=None, examples=None, seed=0, **more):
    rng.seed_everything(1)
    return Trainer(
        module or make_module(),
        more.pop("loss", loss),
        examples or Regression(),
        more.pop("validate", score),
        config,
        folder=folder,
        seed=seed,
        identity=more.pop("identity", {"what": "test"}),
        **more,
    )


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_training_lowers_the_score_and_keeps_the_best_weights(tmp_path):
    run = trainer(tmp_path)
    before = score(run.module)
    result = run.fit()
    assert result.steps == 30
    assert result.best < before / 2
    assert score(run.module) == pytest.approx(result.best, rel=1e-6)
    scores = [json.loads(line)["validation"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert min(scores) == result.best
    assert len(scores) == 5  # steps 7, 14, 21, 28 and the last


@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize("stop_after", [1, 9, 10, 17, 29])
def test_k_steps_a_stop_and_n_more_are_k_plus_n_steps_bit_for_bit(tmp_path, ema, stop_after):
    config = CONFIG.model_copy(update={"ema": ema})
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    straight.mkdir()
    broken.mkdir()
    whole = trainer(straight, config)
    whole.fit()

    calls = iter(range(stop_after))
    first = trainer(
        broken, config, loss=lambda m, b, along: (next(calls, None) == stop_after - 1 and first.stop()) or loss(m, b)
    )
    with pytest.raises(Interrupted, match=f"after step {stop_after} of 30"):
        first.fit()
    module = make_module()
    torch.nn.init.zeros_(module[0].weight)  # whatever it was initialised with is replaced
    second = trainer(broken, config, module=module)
    torch.rand(5)  # and whatever the generators were at
    second.fit(resume=True)

    assert same(whole.module, second.module)
    last = [torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (straight, broken)]
    for weights in ("model", "average"):
        pairs = zip((last[0][weights] or {}).values(), (last[1][weights] or {}).values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    logs = [(folder / "log.jsonl").read_text().splitlines() for folder in (straight, broken)]
    drop = [[{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in log] for log in logs]
    assert drop[0] == drop[1]


def test_a_killed_run_repeats_what_came_after_its_last_checkpoint(tmp_path):
    """A crash between checkpoints (no orderly stop): resume goes back to step 10 and still ends with the same bits."""
    whole_folder, folder = tmp_path / "whole", tmp_path / "killed"
    whole_folder.mkdir()
    folder.mkdir()
    whole = trainer(whole_folder)
    whole.fit()
    calls = iter(range(10**6))

    def crash(module, batch, along):
        if next(calls) == 18:
            raise MemoryError
        return loss(module, batch)

    with pytest.raises(MemoryError):
        trainer(folder, loss=crash).fit()
    again = trainer(folder)
    again.fit(resume=True)
    assert same(whole.module, again.module)
    steps = [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert steps == [7, 14, 21, 28, 30]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_leave_a_resumable_run(tmp_path, number):
    calls = iter(range(10**6))

    def interrupted(module, batch, along):
        if next(calls) == 4:
            os.kill(os.getpid(), number)
        return loss(module, batch)

    before = signal.getsignal(number)
    with pytest.raises(Interrupted):
        trainer(tmp_path, loss=interrupted).fit()
    assert signal.getsignal(number) is before
    assert trainer(tmp_path).fit(resume=True).steps == 30


def test_every_sample_is_seen_once_per_epoch(tmp_path):
    examples = Regression(count=20)
    trainer(tmp_path, CONFIG.model_copy(update={"steps": 5, "batch_size": 8}), examples=examples).fit()
    seen = sum(examples.seen, [])
    assert sorted(seen[:20]) == list(range(20))
    assert sorted(seen[20:40]) == list(range(20))
    assert seen[:20] != seen[20:40]


def test_accumulation_is_the_same_mean(tmp_path):
    results = []
    for accumulate in (1, 3):
        folder = tmp_path / str(accumulate)
        folder.mkdir()
        module = nn.Linear(1, 1).double()
        nn.init.zeros_(module.weight)
        nn.init.zeros_(module.bias)
        config = CONFIG.model_copy(update={"accumulate": accumulate, "batch_size": 7, "steps": 5, "ema": None})
        double = lambda m, b, along: (m(b.x.double()) - b.y).square().mean()
        trainer(folder, config, module=module, loss=double, validate=lambda m: 0.0).fit()
        results.append(torch.cat([p.flatten() for p in module.parameters()]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-12, atol=1e-12)


def test_the_learning_rate_warms_up_and_ends_low(tmp_path):
    config = CONFIG.model_copy(update={"steps": 100, "warmup": 0.1, "final_learning_rate": 1e-5, "evaluate_every": 1})
    trainer(tmp_path, config).fit()
    rates = [json.loads(line)["learning_rate"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    peak = max(range(100), key=rates.__getitem__)
    assert rates[peak] == pytest.approx(1e-2)
    assert 8 <= peak <= 10
    assert rates[-1] == pytest.approx(1e-5, rel=1e-3)
    assert all(a >= b for a, b in zip(rates[peak:], rates[peak + 1 :], strict=False))


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_nan_stops_the_run_with_step_and_name_and_keeps_the_checkpoint(tmp_path, where):
    calls = iter(range(10**6))

    def breaks(module, batch, along):
        value = loss(module, batch)
        if next(calls) == 12:
            value = value * math.nan if where == "loss" else value + (value - value.detach()).abs().sqrt()
        return value

    with pytest.raises(NumericsError, match=r"step 13: field h is not finite") as caught:
        trainer(tmp_path, loss=breaks, explain=lambda module, batch: "field h").fit()
    assert caught.value.exit_code == 3
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 10
    assert all(value.isfinite().all() for value in saved["model"].values())


def test_weights_that_ran_away_are_not_kept_though_everything_is_finite(tmp_path):
    """With the loss above that of the first step, as a huge rate leaves it; found after a resume, too."""
    config = CONFIG.model_copy(update={"optimiser": "adamax", "learning_rate": 1e5, "clip": None, "warmup": 0})
    with pytest.raises(NumericsError, match=r"training diverged by step \d+: weights grew to") as caught:
        trainer(tmp_path, config).fit()
    assert caught.value.exit_code == 3
    assert not (tmp_path / "model.safetensors").exists()
    with pytest.raises(NumericsError, match="training diverged by step"):
        trainer(tmp_path, config).fit(resume=True)


def test_bf16_trains_with_float32_weights(tmp_path):
    run = trainer(tmp_path, CONFIG.model_copy(update={"precision": "bf16", "ema": None}))
    before = score(run.module)
    assert run.fit().best < before
    assert all(p.dtype is torch.float32 for p in run.module.parameters())


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    trainer(tmp_path, identity={"solver": "sinenet", "seed": 0}).fit()
    with pytest.raises(CheckpointError, match="belongs to another run; it differs in solver"):
        trainer(tmp_path, identity={"solver": "unet", "seed": 0}).fit(resume=True)


@pytest.mark.parametrize("optimiser", ["adamw", "adamax", "sgd"])
def test_every_optimiser_trains_and_resumes_bit_for_bit(tmp_path, optimiser):
    config = CONFIG.model_copy(update={"optimiser": optimiser, "learning_rate": 3e-2})
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    straight.mkdir()
    broken.mkdir()
    whole = trainer(straight, config)
    before = score(whole.module)
    assert whole.fit().best < 0.7 * before
    first = trainer(broken, config, validate=lambda module: first.stop() or score(module))
    with pytest.raises(Interrupted, match="after step 7 of 30"):
        first.fit()
    second = trainer(broken, config)
    second.fit(resume=True)
    assert same(whole.module, second.module)


def test_optimisers_take_different_steps(tmp_path):
    weights = []
    for optimiser in ("adamw", "adamax", "sgd"):
        folder = tmp_path / optimiser
        folder.mkdir()
        run = trainer(folder, CONFIG.model_copy(update={"optimiser": optimiser}))
        run.fit()
        weights.append(torch.cat([p.detach().flatten() for p in run.module.parameters()]))
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(weights, 2))


def test_the_loss_is_told_how_far_the_training_is(tmp_path):
    progress = []
    listening = lambda module, batch, along: progress.append(along) or loss(module, batch)
    run = trainer(
        tmp_path, CONFIG.model_copy(update={"accumulate": 2}), loss=listening, validate=lambda m: run.stop() or 0.0
    )
    with pytest.raises(Interrupted):
        run.fit()
    again = trainer(tmp_path, CONFIG.model_copy(update={"accumulate": 2}), loss=listening)
    again.fit(resume=True)
    assert progress == [step / 30 for step in range(30) for _ in range(2)]


def test_clipping_bounds_the_step(tmp_path):
    big = lambda module, batch, along: 1e6 * loss(module, batch)
    run = trainer(tmp_path, CONFIG.model_copy(update={"clip": 1e-3, "steps": 1}), loss=big)
    run.fit()
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in run.module.parameters()))
    assert norm <= 1e-3 * (1 + 1e-4)


def smooth():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))


def quiet(module, batch, along=1.0):
    return (module(batch.x) - torch.sin(3 * batch.x)).square().mean()


def test_polishing_goes_on_where_the_steps_ended_and_resumes_bit_for_bit(tmp_path):
    """Rounds of L-BFGS on all examples: far below what the steps reach, and each a function of the weights alone."""
    config = CONFIG.model_copy(update={"polish": 4, "polish_iterations": 10, "ema": None, "evaluate_every": 1})
    straight, broken, plain = (tmp_path / name for name in ("straight", "broken", "plain"))
    for folder in (straight, broken, plain):
        folder.mkdir()
    whole = trainer(straight, config, module=smooth(), loss=quiet)
    result = whole.fit()
    stepped = trainer(plain, config.model_copy(update={"polish": 0}), module=smooth(), loss=quiet).fit()
    assert result.steps == 34
    assert result.best < 0.05 * stepped.best
    first = trainer(
        broken, config, module=smooth(), loss=quiet,
        validate=lambda module: (first.stop() if first.steps_taken == 32 else None) or score(module),
    )  # fmt: skip
    with pytest.raises(Interrupted, match="after step 32 of 34"):
        first.fit()
    second = trainer(broken, config, module=smooth(), loss=quiet)
    second.fit(resume=True)
    assert same(whole.module, second.module)


def test_polishing_survives_a_line_search_that_leaves_the_domain(tmp_path):
    def narrow(module, batch, along=1.0):
        return quiet(module, batch) + torch.sqrt(1.0 - module[0].weight.square().sum() / 40)

    config = CONFIG.model_copy(update={"steps": 0, "polish": 2, "ema": None, "evaluate_every": 1})
    run = trainer(tmp_path, config, module=smooth(), loss=narrow)
    run.fit()
    assert all(p.isfinite().all() for p in run.module.parameters())
