"""The step rule of differentiable search: weights on one half of the data, choices on the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from sciml.core import rng
from sciml.tools._contract import AnyRule
from sciml.tools.search._supernet import Gates
from sciml.train import BrokenStep, Choice, GradientRule, Loss, Sampler, ShuffleSampler, StepRule

_BETAS, _DECAY = (0.5, 0.999), 1e-3  # of Adam on the logits, as in DARTS
_INIT = 1e-3
_STENCIL = 0.01  # size of the finite difference of the second-order gradient, over the norm of its direction
_BLOCKS = 16


@dataclass(frozen=True)
class Price:
    """What a network costs, as a term of the loss that its choices are found by.

    Arguments:
        cost: from a code to a cost.
        unit: what it is divided by, which makes `weight` a pure number: the mean cost of random networks.
        weight: λ; the start of it where there is a target.
        target: cost to be met, by ascent on λ; None for a fixed λ.
        rate: of that ascent.
        damping: what is added to λ for a cost of twice the target, as in an augmented Lagrangian: without it λ and the
            choices chase one another.
        ramp: share of the steps over which a fixed λ rises from 0.
    """

    cost: Callable[[Float[Tensor, " entry"]], Tensor]
    unit: float
    weight: float
    target: float | None = None
    rate: float = 0.05
    damping: float = 5.0
    ramp: float = 0.2


@dataclass(frozen=True)
class Relaxation:
    """How choices are made differentiable.

    Arguments:
        kind: ``soft``: every candidate counts by softmax(α / T). ``straight_through``: one candidate, drawn by Gumbel
            noise, whose gradient is that of the softmax; the cost then sees one-hot codes only.
        temperature: T at the first step; of ``soft`` it falls to a tenth.
        paths: candidates that a step on the choices computes per slot, drawn by their shares; None for all.
    """

    kind: Literal["soft", "straight_through"] = "straight_through"
    temperature: float = 1.0
    paths: int | None = None


class BilevelRule(StepRule[Any]):  # Any: as `GradientRule`
    """Alternating steps on logits α and weights w of a supernet:

        min_α  L_val(w*(α), α) + λ C(α) / C_0    subject to    w*(α) = argmin_w L_train(w, α).

    First order takes ∇_α at the present w. Second order takes it at w' = w - ξ ∇_w L_train(w, α) and adds
    -ξ [∇_α L_train(w+, α) - ∇_α L_train(w-, α)] / 2ε, where w± = w ± ε ∇_{w'} L_val and ε = 0.01 / ‖∇_{w'} L_val‖. The
    cost C does not depend on w, so that λ changes no gradient of the weights.

    Arguments:
        inner: takes the steps of the weights.
        module: the supernet.
        loss: of the solver.
        gates: of the supernet.
        held: the batch of a step on the choices, from the other half of the data, by the number of the step.
        seed: of logits and draws.
        steps: of the training.
        rate: learning rate of Adam on the logits.
        relaxation: of the choices.
        price: of a network; None for the plain method.
        order: 1 or 2.
        xi: ξ; None for the learning rate of the weights.
        warm: share of the steps in which only weights are trained.

    Attributes:
        logits: α of every slot, in the order of the space.

    Reference: Liu, Simonyan, Yang, DARTS, ICLR 2019, arXiv:1806.09055; Xu et al., arXiv:2001.06392 (the cost).
    """

    reads: ClassVar[frozenset[str]] = GradientRule.reads

    def __init__(
        self,
        inner: AnyRule,
        module: nn.Module,
        loss: Loss,
        gates: Gates,
        held: Callable[[int], Any],  # Any: a batch of the task
        *,
        seed: int,
        steps: int,
        rate: float,
        relaxation: Relaxation,
        price: Price | None = None,
        order: int = 1,
        xi: float | None = None,
        warm: float = 0.1,
    ) -> None:
        self.inner, self.module, self.loss, self.gates, self.held = inner, module, loss, gates, held
        self.relaxation, self.price, self.order, self.xi = relaxation, price, order, xi
        self._seed, self._steps, self._warm = seed, steps, round(warm * steps)
        draw = rng.generator(seed, "logits")
        self.logits = [
            (_INIT * torch.randn(len(slot.choices), generator=draw, dtype=torch.float64)).requires_grad_()
            for slot in gates.space.slots
        ]
        self._adam = torch.optim.Adam(self.logits, lr=rate, betas=_BETAS, weight_decay=_DECAY)
        self._taken, self._cost = 0, 0.0
        self.weight = 0.0 if price is None else price.weight
        self._settle()

    @property
    def stopped(self) -> str:
        """Of the rule of the weights."""
        return self.inner.stopped

    @property
    def candidate(self) -> bool:
        """Only the last choices are those that were searched for."""
        return False

    def step(self, batch: Any, along: float) -> Tensor:  # Any: a batch of the task
        """A step on the choices, then one on the weights, whose loss is returned."""
        if self._taken >= self._warm:
            self._choose(batch, along)
        self._show(self._rows(self._noise("weights"), temperature=1.0, explore=False), detached=True)
        loss = self.inner.step(batch, along)
        self._taken += 1
        self._settle()
        return loss

    def skip(self, along: float) -> None:
        """Schedules go on."""
        self.inner.skip(along)
        self._taken += 1

    def logged(self) -> Mapping[str, float]:
        """Also λ, the cost of the mixture, the share of the likeliest choices and of skips."""
        shares = self.shares()
        skips = [
            float(share[slot.choices.index(slot.skip)])
            for slot, share in zip(self.gates.space.slots, shares, strict=True)
            if slot.skip in slot.choices and slot.skip is not None
        ]
        return {
            **self.inner.logged(),
            "price": self._weight() if self.price is not None else 0.0,
            "cost": self._cost,
            "certainty": sum(float(share.max()) for share in shares) / max(1, len(shares)),
            "skips": sum(skips) / max(1, len(skips)),
        }

    def shares(self) -> list[Float[Tensor, " choice"]]:
        """softmax(α) of every slot."""
        return [functional.softmax(logits.detach(), dim=0) for logits in self.logits]

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Of both optimisers, the logits and λ."""
        return {
            "inner": self.inner.state_dict(),
            "logits": [logits.detach().clone() for logits in self.logits],
            "adam": self._adam.state_dict(),
            "taken": self._taken,
            "weight": self.weight,
            "cost": self._cost,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self.inner.load_state_dict(state["inner"])
        with torch.no_grad():
            for logits, saved in zip(self.logits, state["logits"], strict=True):
                logits.copy_(saved)
        self._adam.load_state_dict(state["adam"])
        self._taken, self.weight, self._cost = state["taken"], state["weight"], state["cost"]
        self._settle()

    def _choose(self, batch: Any, along: float) -> None:  # Any: a batch of the task
        """One step of Adam on the logits."""
        noise, held = self._noise("choices"), self.held(self._taken)
        gradients = self._gradients(batch, held, along, noise)
        if not all(bool(gradient.isfinite().all()) for gradient in gradients):
            raise BrokenStep(held, "Lower the learning rates of the search.")
        for logits, gradient in zip(self.logits, gradients, strict=True):
            logits.grad = gradient
        self._adam.step()
        price = self.price
        if price is not None and price.target is not None:
            self.weight += price.rate * (self._cost / price.target - 1)

    def _gradients(self, batch: Any, held: Any, along: float, noise: list[Tensor]) -> list[Tensor]:
        """∇_α of the objective, of first or second order. Any: batches of the task."""
        if self.order == 1:
            return self._slopes(held, along, noise, priced=True)[0]
        weights = [weight for weight in self.module.parameters() if weight.requires_grad]
        before = [weight.detach().clone() for weight in weights]
        xi = self.inner.logged().get("learning_rate", 0.0) if self.xi is None else self.xi
        try:
            _, descent = self._slopes(batch, along, noise, weights=weights)
            _shift(weights, descent, -xi)
            outer, direction = self._slopes(held, along, noise, weights=weights, priced=True)
            _restore(weights, before)
            norm = float(torch.stack([part.square().sum() for part in direction]).sum().sqrt())
            if not norm or not xi:
                return outer
            sides = []
            for sign in (1.0, -1.0):
                _shift(weights, direction, sign * _STENCIL / norm)
                sides.append(self._slopes(batch, along, noise)[0])
                _restore(weights, before)
        finally:
            _restore(weights, before)
        factor = xi * norm / (2 * _STENCIL)
        return [a - factor * (plus - minus) for a, plus, minus in zip(outer, *sides, strict=True)]

    def _slopes(
        self,
        batch: Any,  # Any: of the task
        along: float,
        noise: list[Tensor],
        *,
        weights: list[nn.Parameter] | None = None,
        priced: bool = False,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Gradients of the loss by logits and, if asked for, weights, at fixed draws."""
        rows = self._rows(noise, temperature=self._temperature(), explore=True)
        self._show(rows)
        value = self.loss(self.module, batch, along)
        if priced and self.price is not None:
            cost = self.price.cost(self.gates.space.mixed([row for row, _ in rows]))
            self._cost = float(cost.detach())
            weight = self._weight()
            if self.price.target is not None:
                weight += self.price.damping * (self._cost / self.price.target - 1)
            if weight != 0:
                value = value + (weight / self.price.unit) * cost
        inputs = [*self.logits, *(weights or ())]
        slopes = torch.autograd.grad(value, inputs, allow_unused=True)
        full = [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, slopes, strict=True)]
        return full[: len(self.logits)], full[len(self.logits) :]

    def _weight(self) -> float:
        price = self.price
        assert price is not None
        if price.target is not None:
            return self.weight
        return self.weight * min(1.0, (self._taken + 1) / max(1.0, price.ramp * self._steps))

    def _temperature(self) -> float:
        along = min(1.0, self._taken / max(1, self._steps))
        return self.relaxation.temperature * (0.1**along if self.relaxation.kind == "soft" else 1.0)

    def _noise(self, purpose: str) -> list[Tensor]:
        """Two Gumbel draws per choice, functions of seed and step."""
        draw = rng.generator(self._seed, purpose, self._taken)
        return [
            -torch.log(-torch.log(torch.rand(2, len(logits), generator=draw, dtype=torch.float64).clamp(1e-12)))
            for logits in self.logits
        ]

    def _rows(self, noise: list[Tensor], *, temperature: float, explore: bool) -> list[tuple[Tensor, frozenset[int]]]:
        """Shares of the choices of every slot, and which are computed."""
        rows = []
        for logits, (first, second) in zip(self.logits, noise, strict=True):
            count = len(logits)
            if self.relaxation.kind == "soft":
                rows.append((functional.softmax(logits / temperature, dim=0), frozenset(range(count))))
                continue
            kept = torch.arange(count)
            if explore and self.relaxation.paths is not None and self.relaxation.paths < count:
                kept = (logits.detach() + first).topk(self.relaxation.paths).indices.sort().values
            shares = torch.zeros_like(logits).scatter(0, kept, functional.softmax(logits[kept] / temperature, dim=0))
            drawn = int(kept[(logits.detach()[kept] / temperature + second[kept]).argmax()])
            hard = functional.one_hot(torch.tensor(drawn), count).to(shares)
            row = hard + (shares - shares.detach()) if explore else hard
            rows.append((row, frozenset(kept.tolist() if explore else [drawn])))
        return rows

    def _show(self, rows: list[tuple[Tensor, frozenset[int]]], *, detached: bool = False) -> None:
        for slot, (row, active) in zip(self.gates.space.slots, rows, strict=True):
            self.gates.set(slot.name, row.detach() if detached else row, active)

    def _settle(self) -> None:
        """In evaluation the supernet is its likeliest network."""
        for slot, logits in zip(self.gates.space.slots, self.logits, strict=True):
            self.gates.best[slot.name] = int(logits.detach().argmax())

    def best(self) -> dict[str, Choice]:
        """The likeliest choice of every slot."""
        return {slot.name: slot.choices[self.gates.best[slot.name]] for slot in self.gates.space.slots}


class HalfSampler(Sampler):
    """Shuffled batches of one half of the samples, the other half being `others`.

    The halves are every second of sixteen runs of neighbouring samples: windows of one trajectory mostly stay together,
    and points on a lattice are on both sides everywhere.

    Arguments:
        seed: of the shuffles.
        second: whether it is the second half.
    """

    def __init__(self, seed: int, *, second: bool = False) -> None:
        self._inner, self._second = ShuffleSampler(seed), second

    def indices(self, step: int, count: int, batch_size: int) -> Int[Tensor, " sample"]:
        """Of the half; batches are never larger than it."""
        half = torch.arange(count)
        block = half * min(_BLOCKS, count) // count
        half = half[block % 2 == int(self._second)]
        return half[self._inner.indices(step, len(half), min(batch_size, len(half)))]


@torch.no_grad()
def _shift(weights: list[nn.Parameter], direction: list[Tensor], factor: float) -> None:
    for weight, part in zip(weights, direction, strict=True):
        weight.add_(part, alpha=factor)


@torch.no_grad()
def _restore(weights: list[nn.Parameter], values: list[Tensor]) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.copy_(value)
