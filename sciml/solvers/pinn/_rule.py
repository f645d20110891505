"""The steps of a PINN's training: which points, which weights, which method."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from sciml.core import rng
from sciml.core.errors import UnsupportedError
from sciml.solvers.pinn._adapt import adapted
from sciml.solvers.pinn._config import PINNConfig
from sciml.solvers.pinn._engines import Gradient, choose
from sciml.solvers.pinn._gauss_newton import GaussNewton, assign, flat
from sciml.solvers.pinn._idle import FULL
from sciml.solvers.pinn._jacobian import uncovered
from sciml.solvers.pinn._lbfgs import LBFGS
from sciml.solvers.pinn._module import PINN
from sciml.solvers.pinn._objective import Term, Weights, evaluate, terms_of
from sciml.solvers.pinn._soap import SOAP
from sciml.solvers.pinn._weigh import Balance, causal_weights
from sciml.tasks.collocation import CollocationBatch
from sciml.train import Examples, StepRule

_RISE = 0.01  # share of the steps with a rising learning rate


class PINNRule(StepRule[CollocationBatch]):
    """Adam first if asked, then the method of `OptimiseConfig`; weights and points adapt on the way.

    Arguments:
        module: what is fitted, in place.
        examples: the points.
        steps: of the whole training.

    Attributes:
        whole: all points with all faces and observations.
    """

    reads: ClassVar[frozenset[str]] = StepRule.reads | {"batch_size"}

    def __init__(self, module: PINN, examples: Examples[CollocationBatch], steps: int) -> None:
        self.module, self.config, self.steps = module, module.config, steps
        device = next(module.parameters()).device
        every = torch.arange(len(examples))
        self.whole = examples.batch(every, rng.generator(torch.initial_seed(), "whole")).to(device)
        optimise = self.config.optimise
        if optimise.method == "gauss_newton" and (left := uncovered(module)):
            raise UnsupportedError(
                "Gauss-Newton needs a network whose parameters all are in affine layers",
                got=", ".join(left),
                fix="Take the network mlp or modified_mlp instead of a PirateNet, or the method lbfgs, soap or adam.",
            )
        self._parameters = list(module.parameters())
        self._engine, self._taken, self._seed = "", 0, torch.initial_seed()
        self._attempt, self._begun = 0, 0
        self._share = -(-steps // (optimise.restarts + 1))
        self._prepare()

    def _prepare(self) -> None:
        """All methods as they begin."""
        optimise = self.config.optimise
        self._newton = GaussNewton(
            self.module, damping=optimise.damping, solve=optimise.solve, accelerated=optimise.accelerated
        )
        self._lbfgs = LBFGS(optimise.history)
        self._first_order = torch.optim.Adam(self._parameters, lr=optimise.learning_rate, fused=True)
        self._soap = SOAP(self._parameters, lr=optimise.learning_rate)
        self._balance: Balance | None = None
        self._gradient: Gradient | None = None

    @property
    def stopped(self) -> str:
        """Why the method cannot go on; empty while it may begin anew."""
        return "" if self._attempt < self.config.optimise.restarts else self._stuck

    @property
    def _stuck(self) -> str:
        return self._newton.stopped or self._lbfgs.stopped

    @property
    def engine(self) -> str:
        """How derivatives are taken; empty before the first step."""
        return self._engine

    def step(self, batch: CollocationBatch, along: float) -> Tensor:
        """One step; the loss before it is the weighted one."""
        if self._attempt < self.config.optimise.restarts and (self._stuck or self._age == self._share):
            self._begin_anew()
        method = "adam" if self._age < self.config.optimise.warm else self.config.optimise.method
        self._adapt()
        used = self.whole if (method in FULL and not batch.fresh) or not self._follows(batch) else batch
        terms = terms_of(self.module, used)
        weights = self._weights(terms)
        if method == "gauss_newton":
            loss = self._newton.step(terms, weights)
        elif method == "lbfgs":
            loss = self._quasi_newton(terms, weights)
        else:
            loss = self._descend(self._soap if method == "soap" else self._first_order, terms, weights)
        self._taken += 1
        return loss

    @property
    def _age(self) -> int:
        """Steps since the weights were drawn."""
        return self._taken - self._begun

    def _begin_anew(self) -> None:
        """Other weights, and methods without memory. Raises UnsupportedError for a network that a tool rebuilt."""
        self._attempt, self._begun = self._attempt + 1, self._taken
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(rng.derive(self._seed, "restart", self._attempt))
            drawn = PINN(self.config, self.module.statement, self.module.scales).state_dict()
        state = self.module.state_dict()
        if {n: w.shape for n, w in drawn.items()} != {n: w.shape for n, w in state.items()}:
            raise UnsupportedError(
                "a network that was rebuilt cannot begin anew from other weights",
                got=f"model.optimise.restarts={self.config.optimise.restarts}",
                expected="0",
            )
        self.module.load_state_dict({name: weight.to(state[name]) for name, weight in drawn.items()})
        self._prepare()

    def _follows(self, batch: CollocationBatch) -> bool:
        """Whether the trainer's batches are still the points in use."""
        return batch.fresh or (self.config.adapt.kind == "none" and len(batch) < len(self.whole))

    def _adapt(self) -> None:
        settings = self.config.adapt
        if settings.kind != "none" and self._taken and self._taken % settings.every == 0:
            generator = rng.generator(self._seed, "adapt", self._taken)
            self.whole = replace(self.whole, points=adapted(self.module, self.whole.points, settings, generator))

    def _weights(self, terms: Sequence[Term]) -> Weights:
        """Of the terms, adapted if it is time to, and of the points in time."""
        if self._balance is None:
            self._balance = Balance(self.config.weigh, len(terms))
        points, settings, statement = torch.zeros(0), self.config.weigh, self.module.statement
        if settings.causal and statement.domain.time:
            time = statement.domain.axis(statement.domain.time)
            with torch.no_grad():
                residual = evaluate(self.module, terms[0])
            points = causal_weights(
                residual,
                terms[0].points[:, statement.domain.index(time.name)],
                start=time.lower,
                extent=time.extent,
                chunks=settings.chunks,
                strictness=settings.causal,
            )
        if settings.balance != "none":
            self._balance.update(self._taken, self._gradients(terms), terms, points)
        return Weights(tuple(self._balance.weights), points)

    def _gradients(self, terms: Sequence[Term]) -> Gradient:
        """The engine, chosen when it is first needed."""
        if self._gradient is None:
            asked = self.config.optimise.engine
            if not self._engine:
                weights = initial_weights(self.config, terms)
                self._engine = choose(self.module, terms, weights)[0] if asked == "auto" else asked
            self._gradient = Gradient(self.module, self._engine, compile=self.config.optimise.compile)
        return self._gradient

    def _quasi_newton(self, terms: Sequence[Term], weights: Weights) -> Tensor:
        gradient = self._gradients(terms)

        def value(vector: Tensor) -> tuple[float, Tensor]:
            assign(self._parameters, vector)
            losses, slope = gradient(terms, weights)
            return sum(w * float(loss) for w, loss in zip(weights.terms, losses, strict=True)), slope

        start = flat(self._parameters)
        loss, end = self._lbfgs.step(start, value)
        assign(self._parameters, end)
        return start.new_tensor(loss)

    def _descend(self, optimiser: torch.optim.Optimizer, terms: Sequence[Term], weights: Weights) -> Tensor:
        settings = self.config.optimise
        rise = min(1.0, (self._age + 1) / max(1.0, _RISE * self._share))
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * rise * settings.decay ** (self._age / settings.decay_steps)
        losses, slope = self._gradients(terms)(terms, weights)
        for parameter, part in zip(self._parameters, slope.split([p.numel() for p in self._parameters]), strict=True):
            parameter.grad = part.view_as(parameter)
        optimiser.step()
        return torch.stack([w * loss for w, loss in zip(weights.terms, losses, strict=True)]).sum()

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """All methods, weights, points and the engine."""
        return {
            "taken": self._taken,
            "attempt": self._attempt,
            "begun": self._begun,
            "engine": self._engine,
            "points": self.whole.points,
            "newton": self._newton.state_dict(),
            "lbfgs": self._lbfgs.state_dict(),
            "adam": self._first_order.state_dict(),
            "soap": self._soap.state_dict(),
            "balance": None if self._balance is None else self._balance.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self._taken, self._engine, self._gradient = state["taken"], state["engine"], None
        self._attempt, self._begun = state["attempt"], state["begun"]
        if self.config.adapt.kind != "none":
            self.whole = replace(self.whole, points=state["points"].to(self.whole.points))
        self._newton.load_state_dict(state["newton"])
        self._lbfgs.load_state_dict(state["lbfgs"])
        self._first_order.load_state_dict(state["adam"])
        self._soap.load_state_dict(state["soap"])
        if state["balance"] is not None:
            self._balance = Balance(self.config.weigh, len(state["balance"]["weights"]))
            self._balance.load_state_dict(state["balance"])


def initial_weights(config: PINNConfig, terms: Sequence[Term]) -> Weights:
    """1 for the equations, `WeighConfig.soft` for everything else."""
    return Weights(tuple(1.0 if i == 0 else config.weigh.soft for i in range(len(terms))))
