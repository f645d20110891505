"""The one training loop."""

import itertools
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sciml.core import paths, rng
from sciml.core.errors import Interrupted, NumericsError, UnsupportedError, UserError
from sciml.core.progress import Progress, SilentProgress
from sciml.train._advance import Advance
from sciml.train._checkpoint import Checkpoint, load_weights, save_weights
from sciml.train._config import TrainConfig
from sciml.train._distributed import Objective, current_group, wrap
from sciml.train._task import Examples

CHECKPOINT, WEIGHTS, LOG = "checkpoint.pt", "model.safetensors", "log.jsonl"


class TrainResult(NamedTuple):
    """What a finished training reports.

    Fields:
        steps: optimiser steps taken.
        seconds: wall time of the loop, over all its parts if it was resumed.
        best: lowest validation score; the module now holds the weights that reached it.
        best_step: the step it was reached at.
        stopped: why it ended before its last step, if it did.
    """

    steps: int
    seconds: float
    best: float
    best_step: int
    stopped: str = ""


class Trainer:
    """Train a module by gradient: warm-up then cosine, clipping, EMA, selection by validation.

    Every random choice after initialisation is a function of (seed, step), and everything else is in the checkpoint, so
    that k steps, a stop and n more give the same bits as k + n steps on one CPU thread. Under ``torchrun`` each process
    takes its rows of the same global batch and gradients are averaged.

    Files in `folder`: ``checkpoint.pt`` (to resume), ``model.safetensors`` (the best weights so far), ``log.jsonl``
    (one line per evaluation).

    Arguments:
        module: what is trained, in place.
        loss: ``(module, batch, along) -> scalar``, a mean over the samples of the batch; `along` is the share of the
            steps that is done.
        examples: what batches are drawn from.
        validate: ``module -> score``, lower is better.
        config: the settings.
        folder: where the files go; must exist.
        seed: of batch order and noise.
        identity: what this run is; a checkpoint with another identity is refused.
        explain: ``(module, batch) -> words`` naming what is not finite, for the error message.
        progress: where it reports.
        advance: what takes the steps instead of the optimiser of `config`; then learning rate, clipping, accumulation
            and precision of `config` mean nothing.
        watch: ``module -> values`` that are logged beside the score.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: Callable[[nn.Module, Any, float], Tensor],
        examples: Examples,
        validate: Callable[[nn.Module], float],
        config: TrainConfig,
        *,
        folder: Path,
        seed: int,
        identity: dict[str, Any],
        explain: Callable[[nn.Module, Any], str] = lambda module, batch: "the loss",
        progress: Progress | None = None,
        advance: Advance | None = None,
        watch: Callable[[nn.Module], Mapping[str, float]] = lambda module: {},
    ) -> None:
        self.module, self.examples, self.config, self.folder = module, examples, config, folder
        self._validate, self._explain, self._seed, self._identity = validate, explain, seed, identity
        self._progress = progress or SilentProgress()
        self._group = current_group()
        self._share = self._group.share(config.batch_size)
        self._device = next(module.parameters()).device
        self._objective = wrap(Objective(module, loss), self._group)
        self._optimiser = _optimiser(module, config)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, self._factor)
        self._average = AveragedModel(module, multi_avg_fn=_ema(config.ema), use_buffers=False) if config.ema else None
        self._advance, self._watch = advance, watch
        if advance is not None and self._group.size > 1:
            raise UnsupportedError("this solver takes its steps itself, which several processes cannot share",
                                   got=f"{self._group.size} processes", expected="one")  # fmt: skip
        self._step, self._before, self._best, self._saved = 0, 0.0, [math.inf, -1], 0
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ask the loop to save and stop after the current step (what SIGINT and SIGTERM do)."""
        self._stop.set()

    def fit(self, resume: bool = False) -> TrainResult:
        """Train to the last step and leave the best weights in the module.

        Arguments:
            resume: go on from the checkpoint in the folder if there is one.

        Raises:
            Interrupted: after SIGINT, SIGTERM or `stop`; the checkpoint is saved.
            NumericsError: the loss or a gradient is not finite; the last good checkpoint is kept.
            CheckpointError: the checkpoint is damaged or of another run.
        """
        if resume and (self.folder / CHECKPOINT).exists():
            self._restore(Checkpoint.load(self.folder / CHECKPOINT, self._identity))
        self._group.wait()
        self._trim_log()
        self._started = time.perf_counter()
        total = self.config.steps + self.config.polish
        with self._signals(), self._progress.task("train", total, self._step) as advance:
            while self._step < total and not self._stopped:
                loss = self._train_step() if self._step < self.config.steps else self._polish()
                self._step += 1
                last = self._step == total or bool(self._stopped)
                if last or self._step % self.config.evaluate_every == 0:
                    self._evaluate(loss)
                advance(1, f"loss {float(loss):.4f}  best {self._best[0]:.4f}")
                stopping = self._group.any(self._stop.is_set()) and not last
                if last or stopping or self._step % self.config.checkpoint_every == 0:
                    self._save()
                if stopping:
                    raise Interrupted(f"stopped after step {self._step} of {total}; --resume continues from there")
        self._group.wait()
        if total:
            load_weights(self.module, self.folder / WEIGHTS)
        return TrainResult(self._step, self._seconds(), float(self._best[0]), int(self._best[1]), self._stopped)

    @property
    def _stopped(self) -> str:
        return "" if self._advance is None else self._advance.stopped

    def _train_step(self) -> Tensor:
        self.module.train()
        self._optimiser.zero_grad(set_to_none=True)
        drawn = self.examples.batch(self._indices(), rng.generator(self._seed, "noise", self._step))
        share = drawn.rows(self._share).to(self._device)
        along = self._step / self.config.steps
        if self._advance is not None:
            mean = self._advance.step(share, along)
            if not bool(mean.isfinite()):
                self._break_down(share, "Try another seed, fewer frequencies or another method.")
            return mean
        slices = [share.rows(rows) for rows in _slices(len(share), self.config.accumulate)]
        mean = torch.zeros((), device=self._device)
        for part, rows in enumerate(slices):
            with self._synchronised(part == len(slices) - 1), self._precision():
                loss = self._objective(rows, along) * (len(rows) / len(share))
            loss.backward()
            mean += loss.detach()
        norm = nn.utils.clip_grad_norm_(self.module.parameters(), self.config.clip or math.inf)
        if self._group.any(not bool(torch.isfinite(mean) & torch.isfinite(norm))):
            self._break_down(share, "Lower train.learning_rate or train.clip, or use train.precision=fp32.")
        self._optimiser.step()
        self._schedule.step()
        if self._average is not None:
            self._average.update_parameters(self.module)
        return self._group.mean(mean)

    def _polish(self) -> Tensor:
        """One round of L-BFGS with a strong Wolfe line search over all examples, from the weights as they are.

        What a round learns of the curvature is not kept, so that resuming needs the weights only. The weights with the
        lowest loss stay, wherever the line search went last.
        """
        if self._group.size > 1:
            raise UserError("train.polish works in one process", got=f"{self._group.size} of them")
        self.module.train()
        weights = [p for p in self.module.parameters() if p.requires_grad]
        seen: list[Tensor] = []
        best: list[Any] = [math.inf, []]
        every = torch.arange(len(self.examples))
        drawn = self.examples.batch(every, rng.generator(self._seed, "polish")).to(self._device)
        slices = [drawn.rows(rows) for rows in _slices(len(drawn), math.ceil(len(drawn) / self.config.batch_size))]
        optimiser = torch.optim.LBFGS(
            weights, max_iter=self.config.polish_iterations, history_size=20, line_search_fn="strong_wolfe"
        )

        def closure() -> Tensor:
            optimiser.zero_grad(set_to_none=True)
            mean = torch.zeros((), device=self._device, dtype=torch.float64)
            for rows in slices:
                loss = self._objective(rows, 1.0) * (len(rows) / len(drawn))
                loss.backward()
                mean += loss.detach()
            seen.append(mean)
            if mean < best[0]:
                best[:] = float(mean), [weight.detach().clone() for weight in weights]
            return mean

        with torch.enable_grad():
            optimiser.step(closure)
        if not torch.isfinite(seen[0]):
            raise NumericsError(
                f"training broke down while polishing, at step {self._step + 1}: "
                f"{self._explain(self.module, drawn)} is not finite."
            )
        with torch.no_grad():
            torch._foreach_copy_(weights, best[1])
        if self._average is not None:
            self._average.update_parameters(self.module)
        return seen[0].new_tensor(best[0])

    def _break_down(self, share: Any, advice: str) -> NoReturn:
        raise NumericsError(
            f"training broke down at step {self._step + 1}: {self._explain(self.module, share)} is not finite. "
            + (f"The checkpoint of step {self._saved} is kept in {self.folder}. " if self._saved else "")
            + advice
        )

    def _indices(self) -> Tensor:
        """The sample numbers of this step's global batch: consecutive pieces of one shuffle per epoch."""
        size, count = self.config.batch_size, len(self.examples)
        positions = torch.arange(self._step * size, (self._step + 1) * size)
        return torch.cat([self._order(int(epoch))[positions[positions // count == epoch] % count]
                          for epoch in (positions // count).unique()])  # fmt: skip

    def _order(self, epoch: int) -> Tensor:
        return torch.randperm(len(self.examples), generator=rng.generator(self._seed, "order", epoch))

    def _evaluate(self, loss: Tensor) -> None:
        """Score the (averaged) weights, keep them if they are the best, and log."""
        subject = self.module if self._average is None else self._average.module
        score = self._group.broadcast(self._validate(subject) if self._group.leads else math.nan)
        if score < self._best[0] or self._best[1] < 0:
            self._best = [score, self._step]
            if self._group.leads:
                save_weights(subject, self.folder / WEIGHTS)
        if self._group.leads:
            line = {
                "step": self._step,
                "loss": float(loss),
                "validation": score if math.isfinite(score) else None,
                "learning_rate": self._optimiser.param_groups[0]["lr"],
                "seconds": round(self._seconds(), 3),
                **self._watch(subject),
            }
            if self._stopped:
                line["stopped"] = self._stopped
            path = self.folder / LOG
            with paths.storage_errors(path), path.open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")

    def _save(self) -> None:
        self._saved = self._step
        if not self._group.leads:
            return
        Checkpoint(
            identity=self._identity,
            step=self._step,
            seconds=self._seconds(),
            best=list(self._best),
            model=self.module.state_dict(),
            optimiser=(self._advance or self._optimiser).state_dict(),
            schedule={"last_epoch": self._schedule.last_epoch},
            average=None if self._average is None else self._average.state_dict(),
            rng=rng.state(),
        ).save(self.folder / CHECKPOINT)

    def _restore(self, saved: Checkpoint) -> None:
        self.module.load_state_dict(saved.model)
        (self._advance or self._optimiser).load_state_dict(saved.optimiser)
        self._schedule.last_epoch = saved.schedule["last_epoch"]
        if self._average is not None and saved.average is not None:
            self._average.load_state_dict(saved.average)
        rng.restore(saved.rng)
        self._step, self._before, self._best = saved.step, saved.seconds, list(saved.best)
        self._saved = saved.step

    def _trim_log(self) -> None:
        """Drop log lines of steps that will be taken again."""
        path = self.folder / LOG
        if self._group.leads and path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= self._step]
            paths.write_text(path, "".join(line + "\n" for line in kept))

    def _seconds(self) -> float:
        return self._before + time.perf_counter() - self._started

    def _factor(self, step: int) -> float:
        """Learning rate at `step` relative to its peak: linear warm-up, then half a cosine to the final value."""
        c = self.config
        warmup = max(1, round(c.warmup * c.steps))
        if step < warmup:
            return (step + 1) / warmup
        floor = min(1.0, c.final_learning_rate / c.learning_rate)
        along = min(1.0, (step - warmup) / max(1, c.steps - warmup))
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * along))

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self.config.precision == "bf16")

    @contextmanager
    def _synchronised(self, last: bool) -> Iterator[None]:
        """Let several processes exchange gradients only with the last slice of a batch."""
        if isinstance(self._objective, nn.parallel.DistributedDataParallel) and not last:
            with self._objective.no_sync():
                yield
        else:
            yield

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """While training, SIGINT and SIGTERM ask for an orderly stop; a second SIGINT stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number: int, frame: Any) -> None:
            if self._stop.is_set() and number == signal.SIGINT:
                raise KeyboardInterrupt
            self._stop.set()

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _optimiser(module: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    common: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    if config.optimiser == "sgd":
        return torch.optim.SGD(module.parameters(), momentum=0.9, **common)
    if config.optimiser == "adamax":
        return torch.optim.Adamax(module.parameters(), **common)
    return torch.optim.AdamW(module.parameters(), fused=True, **common)


def _slices(length: int, parts: int) -> list[slice]:
    """`length` rows cut into at most `parts` nearly equal slices."""
    edges = [length * part // parts for part in range(parts + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(edges) if b > a]


def _ema(decay: float | None) -> Callable[..., None]:
    """Exponential moving average with the usual warm-up of its decay, min(decay, (1 + n) / (10 + n))."""

    @torch.no_grad()
    def update(averages: list[Tensor], values: list[Tensor], count: Tensor | int) -> None:
        assert decay is not None
        d = min(decay, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(averages, values, 1 - d)

    return update
