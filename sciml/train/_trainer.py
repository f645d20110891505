"""The one training loop."""

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from sciml.core import paths, rng
from sciml.core.errors import ConfigError, Interrupted, NumericsError, UnsupportedError, UserError
from sciml.core.progress import Progress, SilentProgress
from sciml.train._average import Average
from sciml.train._checkpoint import Checkpoint, load_weights, save_weights
from sciml.train._config import TrainConfig
from sciml.train._distributed import current_group
from sciml.train._examples import Examples
from sciml.train._gradient_rule import Loss
from sciml.train._polish_rule import default_rule
from sciml.train._sampler import Sampler, ShuffleSampler
from sciml.train._step_rule import BrokenStep, StepRule

CHECKPOINT, WEIGHTS, LOG = "checkpoint.pt", "model.safetensors", "log.jsonl"


_HUGE = 1e3
"""How many times larger than at the beginning weights are that ran away."""


class TrainResult(NamedTuple):
    """What a finished training reports.

    Fields:
        steps: optimiser steps taken.
        seconds: wall time of the loop, over all its parts if it was resumed.
        best: lowest validation score; the module now holds the weights that reached it.
        best_step: the step it was reached at.
        stopped: why it ended before its last step, if it did.
        calls: of learned right-hand sides in the forward solves of all steps; None where nothing is integrated.
    """

    steps: int
    seconds: float
    best: float
    best_step: int
    stopped: str = ""
    calls: int | None = None


@runtime_checkable
class Integrates(Protocol):
    """A layer that solves equations and counts what that takes."""

    solves: int
    calls: int
    evaluations: float


class Trainer:
    """Train a module step by step: averaging, selection by validation, log, checkpoints, whatever takes the steps.

    Every random choice after initialisation is a function of (seed, step), and everything else is in the checkpoint, so
    that k steps, a stop and n more give the same bits as k + n steps on one CPU thread. Under ``torchrun`` each process
    takes its rows of the same global batch and gradients are averaged.

    Files in `folder`: ``checkpoint.pt`` (to resume), ``model.safetensors`` (the best weights so far), ``log.jsonl``
    (one line per evaluation).

    Arguments:
        module: what is trained, in place.
        loss: ``(module, batch, along) -> scalar``, a mean over the samples of the batch; `along` is the share of the
            steps that is done. Only the gradient rule asks for it.
        examples: what batches are drawn from.
        validate: ``module -> score``, lower is better.
        config: the settings.
        folder: where the files go; must exist.
        seed: of batch order and noise.
        identity: what this run is; a checkpoint with another identity is refused.
        explain: ``(module, batch) -> words`` naming what is not finite, for the error message.
        progress: where it reports.
        rule: what takes the steps; None for the optimiser of `config`, then its polishing. A rule reads of `config`
            what its `StepRule.reads` says.
        sampler: which samples make up a batch; None for a shuffle of every epoch.
        watch: ``module -> values`` that are logged beside the score.

    Raises:
        UnsupportedError: for a rule that several processes cannot share.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        examples: Examples,
        validate: Callable[[nn.Module], float],
        config: TrainConfig,
        *,
        folder: Path,
        seed: int,
        identity: dict[str, Any],  # Any: JSON
        explain: Callable[[nn.Module, Any], str] = lambda module, batch: "the loss",
        progress: Progress | None = None,
        rule: StepRule[Any] | None = None,  # Any: the batch of some task, as in `Loss` and `explain`
        sampler: Sampler | None = None,
        watch: Callable[[nn.Module], Mapping[str, float]] = lambda module: {},
    ) -> None:
        self.module, self.examples, self.config, self.folder = module, examples, config, folder
        self.validate, self._explain, self._seed, self._identity = validate, explain, seed, identity
        self._progress, self._watch = progress or SilentProgress(), watch
        self._group = current_group()
        self._share = self._group.share(config.batch_size)
        self._device = next(module.parameters()).device
        if rule is not None and config.polish:
            raise ConfigError("train.polish follows the steps of the gradient rule", got="another step rule",
                              fix="Leave it at 0.")  # fmt: skip
        self.rule = rule or default_rule(module, loss, examples, config, seed=seed)
        self.sampler = sampler or ShuffleSampler(seed)
        if self._group.size > 1 and (config.polish or not self.rule.distributed):
            raise UnsupportedError("several processes cannot share the steps of this training",
                                   got=f"{self._group.size} processes and "
                                   + ("train.polish" if config.polish else type(self.rule).__name__),
                                   expected="one process, or the gradient rule without polishing")  # fmt: skip
        self._total = config.steps + config.polish
        self._began = _largest(module)
        self.average = Average(module, config.ema) if config.ema else None
        self._step, self._before, self._best, self._saved = 0, 0.0, [math.inf, -1], 0
        self._layers = [layer for layer in module.modules() if isinstance(layer, Integrates)]
        self._calls, self._first = 0, math.inf
        self._stop = threading.Event()
        self._examined = True  # so that a step asks for the mode of training, which costs a walk through all modules

    @property
    def steps_taken(self) -> int:
        """Steps finished so far, those before a resume included."""
        return self._step

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
        total = self._total
        with self._signals(), self._progress.task("train", total, self._step) as advance:
            while self._step < total and not self.rule.stopped:
                loss = self.take_step()
                self._step += 1
                last = self._step == total or bool(self.rule.stopped)
                if last or self._step % self.config.evaluate_every == 0:
                    self._evaluate(loss, last)
                said = "no sample drawn" if loss is None else f"loss {float(loss):.4f}"
                advance(1, f"{said}  best {self._best[0]:.4f}")
                stopping = self._group.any(self._stop.is_set()) and not last
                if last or stopping or self._step % self.config.checkpoint_every == 0:
                    self._save(loss)
                if stopping:
                    raise Interrupted(f"stopped after step {self._step} of {total}; --resume continues from there")
        self._group.wait()
        if total:
            load_weights(self.module, self.folder / WEIGHTS)
        return TrainResult(
            self._step,
            self._seconds(),
            float(self._best[0]),
            int(self._best[1]),
            self.rule.stopped,
            self._calls if self._layers else None,
        )

    def take_step(self) -> Tensor | None:
        """The loss before the step; None where the sampler drew nothing."""
        if self._examined or not self.module.training:
            self.module.train()
            self._examined = False
        along = min(1.0, self._step / self.config.steps) if self.config.steps else 1.0
        before = self._called()
        drawn = self._draw()
        if drawn is None:
            self.rule.skip(along)
            loss = None
        else:
            try:
                loss = self.rule.step(drawn, along)
            except BrokenStep as broken:
                self._break_down(broken.batch, broken.advice)
            except (ArithmeticError, LookupError, RuntimeError, ValueError, UserError) as error:
                if not self._ran_away():
                    raise  # the fault is not that of the weights
                words = " ".join(str(error).split())[:200]
                raise NumericsError(f"training broke down at step {self._step + 1}: weights ran away, and then: {words}"
                                    f". {self._kept()}Lower train.learning_rate or train.clip.") from error  # fmt: skip
            if not math.isfinite(float(loss)):  # a tenth of the time of loss.isfinite()
                self._break_down(drawn, "Try another seed, fewer frequencies or another method.")
            if math.isinf(self._first):
                self._first = float(loss)
        if self.average is not None:
            self.average.update()
        self._calls += self._called() - before
        return loss

    def _called(self) -> int:
        """Calls so far, validation included."""
        return sum(layer.calls for layer in self._layers)

    def _draw(self) -> Any:  # Any: a batch of the task
        """This process's rows of the batch of this step; None for an empty one."""
        indices = self.sampler.indices(self._step, len(self.examples), self.config.batch_size)
        if self._group.size > 1 and len(indices) != self.config.batch_size:
            raise UnsupportedError("several processes cannot share batches of varying size",
                                   got=type(self.sampler).__name__, expected="ShuffleSampler")  # fmt: skip
        if not len(indices):
            return None
        drawn = self.examples.batch(indices, rng.generator(self._seed, "noise", self._step))
        return (drawn.rows(self._share) if self._group.size > 1 else drawn).to(self._device)

    def _break_down(self, batch: Any, advice: str) -> NoReturn:
        what = "a weight" if self._ran_away() == "not finite" else self._explain(self.module, batch)
        raise NumericsError(
            f"training broke down at step {self._step + 1}: {what} is not finite. {self._kept()}{advice}"
        )

    def _kept(self) -> str:
        return f"The checkpoint of step {self._saved} is kept in {self.folder}. " if self._saved else ""

    def _ran_away(self) -> str:
        """How weights left the range they began in: ``not finite``, ``huge``, or empty for those that did not."""
        largest = _largest(self.module)
        if not math.isfinite(largest):
            return "not finite"
        return "huge" if largest > _HUGE * (1.0 + self._began) else ""

    def _check_weights(self, loss: Tensor | None) -> None:
        """Raise NumericsError before weights are kept as good ones that are not finite, or that ran away while the loss
        rose above that of the first step."""
        if self._group.any(not math.isfinite(_largest(self.module))):
            raise NumericsError(f"training broke down at step {self._step}: a weight is not finite. {self._kept()}"
                                "Lower train.learning_rate or train.clip, or use train.precision=fp32.")  # fmt: skip
        if self._group.any(loss is not None and float(loss) > self._first and bool(self._ran_away())):
            raise NumericsError(f"training diverged by step {self._step}: weights grew to {_largest(self.module):.1e} "
                                f"and the loss above that of the first step, {self._first:.3g}. {self._kept()}"
                                "Lower the learning rate.")  # fmt: skip

    def _evaluate(self, loss: Tensor | None, last: bool) -> None:
        """Score the (averaged) weights, keep them if they are the best that may be chosen, and log."""
        with nullcontext() if self.average is None else self.average.applied():
            self._score(loss, last or self.rule.candidate)

    def _score(self, loss: Tensor | None, candidate: bool) -> None:
        self._check_weights(loss)
        score = self._group.broadcast(self._validated() if self._group.leads else math.nan)
        self._examined = True
        if candidate and (score < self._best[0] or self._best[1] < 0):
            self._best = [score, self._step]
            if self._group.leads:
                save_weights(self.module, self.folder / WEIGHTS)
        if self._group.leads:
            line = {
                "step": self._step,
                "loss": None if loss is None else float(loss),
                "validation": score if math.isfinite(score) else None,
                **self.rule.logged(),
                "seconds": round(self._seconds(), 3),
                **self._watch(self.module),
            }
            if self.rule.stopped:
                line["stopped"] = self.rule.stopped
            path = self.folder / LOG
            with paths.storage_errors(path), path.open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")

    def _validated(self) -> float:
        """The score of the weights; not a number where a method can no longer be evaluated with them."""
        try:
            return self.validate(self.module)
        except (ArithmeticError, LookupError, RuntimeError, ValueError, UserError):
            if not self._ran_away():
                raise
            return math.nan

    def _save(self, loss: Tensor | None) -> None:
        self._check_weights(loss)
        self._saved = self._step
        if not self._group.leads:
            return
        Checkpoint(
            identity=self._identity,
            step=self._step,
            seconds=self._seconds(),
            best=list(self._best),
            model=self.module.state_dict(),
            rule=self.rule.state_dict(),
            average=None if self.average is None else self.average.state_dict(),
            rng=rng.state(),
            calls=self._calls,
            first=self._first,
        ).save(self.folder / CHECKPOINT)

    def _restore(self, saved: Checkpoint) -> None:
        self.module.load_state_dict(saved.model)
        self.rule.load_state_dict(saved.rule)
        if self.average is not None and saved.average is not None:
            self.average.load_state_dict(saved.average)
        rng.restore(saved.rng)
        self._step, self._before, self._best = saved.step, saved.seconds, list(saved.best)
        self._saved, self._calls, self._first = saved.step, saved.calls, saved.first

    def _trim_log(self) -> None:
        """Drop log lines of steps that will be taken again."""
        path = self.folder / LOG
        if self._group.leads and path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= self._step]
            paths.write_text(path, "".join(line + "\n" for line in kept))

    def _seconds(self) -> float:
        return self._before + time.perf_counter() - self._started

    def _ask(self, number: int, frame: Any) -> None:
        if self._stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._stop.set()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """While training, SIGINT and SIGTERM ask for an orderly stop; a second SIGINT stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _largest(module: nn.Module) -> float:
    """The largest weight, by magnitude; not finite where one is not. Buffers may say by NaN that they are not set."""
    sizes = [weight.detach().abs().amax() for weight in module.parameters() if weight.numel()]
    return float(torch.stack([size.float().cpu() for size in sizes]).max()) if sizes else 0.0
