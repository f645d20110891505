"""Private steps: sums of bounded or clipped gradients, noise, an optimiser, a projection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from sciml.core import rng
from sciml.nn import optimiser_groups
from sciml.nn.lipschitz import ClipGradient, Constrained, gradient_bounds
from sciml.tools.privacy._mechanism import Mechanism
from sciml.train import BrokenStep, Certified, Loss, StepRule, TrainConfig, learning_rates


class PrivateRule(StepRule[Any]):  # Any: batches of every task
    """One step of Adam along a noisy sum of gradients, each of which is bounded for any sample that there could be.

    With `certified` the bounds come from the operator norms of the layers as they are, so that a batch is one backward
    pass; without, the gradients of single samples are clipped to `clip`. A step without samples is a step of noise.

    Arguments:
        module, loss, config: as for `sciml.train.GradientRule`.
        mechanism: what noise there is, and what is expected of a batch.
        certified: what bounds follow from; None to clip.
        clip: largest norm of a sample's gradient.
        loss_clip: largest slope of a sample's loss in the output of the certified network; None for no such clipping.
        seed: of the noise.
    """

    reads: ClassVar[frozenset[str]] = StepRule.reads | {"batch_size", "learning_rate", "weight_decay", "warmup",
                                              "final_learning_rate"}  # fmt: skip

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        config: TrainConfig,
        *,
        mechanism: Mechanism,
        certified: Certified | None = None,
        clip: float = 1.0,
        loss_clip: float | None = None,
        seed: int = 0,
    ) -> None:
        self.module, self.mechanism, self._loss = module, mechanism, loss
        self._certified, self._clip, self._seed, self._taken = certified, clip, seed, 0
        self._at_output = None if loss_clip is None else ClipGradient(loss_clip)
        self._named = {name: p for name, p in module.named_parameters() if p.requires_grad}
        if certified is not None:
            names = {id(parameter): name for name, parameter in self._named.items()}
            self._names = {key: names[id(p)] for key, p in certified.network.named_parameters()}
        self._optimiser = torch.optim.Adam(optimiser_groups(module, config.learning_rate, config.weight_decay))
        self._rates = learning_rates(config)
        self._peaks = [group["lr"] / config.learning_rate for group in self._optimiser.param_groups]

    @property
    def candidate(self) -> bool:
        """Never: weights chosen by their score would be weights chosen by data."""
        return False

    def bounds(self) -> dict[str, float]:
        """Of one sample's gradient, by parameter; of all together where they are clipped."""
        if self._certified is None:
            return {"all parameters": self._clip}
        bounds = gradient_bounds(self._certified.network, inputs=self._certified.inputs, loss=self._certified.loss)
        return {self._names[key]: bound for key, bound in bounds.items()}

    def step(self, batch: Any, along: float) -> Tensor:  # Any: a batch of the task
        """The mean loss over the batch."""
        bounds = self.bounds()
        for parameter in self._named.values():
            parameter.grad = None
        share = len(batch) / self.mechanism.expected
        if self._certified is not None:
            with self._clipping(self._certified.network):
                loss = self._loss(self.module, batch, along)
                loss.backward()
            for parameter in self._named.values():
                if parameter.grad is not None:
                    parameter.grad *= share
        else:
            loss, gradients = sample_gradients(self.module, self._loss, batch, along)
            norms = torch.stack([value.flatten(1).norm(dim=1) for value in gradients.values()]).norm(dim=0)
            keep = (self._clip / norms.clamp_min(1e-12)).clamp_max(1.0)
            for name, value in gradients.items():
                self._named[name].grad = torch.tensordot(keep, value, dims=1) / self.mechanism.expected
        if not bool(loss.detach().isfinite()):
            raise BrokenStep(batch, "Lower learning_rate of the tool.")
        self._move(bounds)
        return loss.detach()

    def skip(self, along: float) -> None:
        """A batch without samples has a sum of zero, and the same noise."""
        for parameter in self._named.values():
            parameter.grad = None
        self._move(self.bounds())

    @contextmanager
    def _clipping(self, network: nn.Module) -> Iterator[None]:
        """With the gradients of single samples' losses clipped at the output of a network, if that is asked for."""
        limit = self._at_output
        if limit is None:
            yield
            return
        handle = network.register_forward_hook(lambda _, inputs, output: limit(output))
        try:
            yield
        finally:
            handle.remove()

    @torch.no_grad()
    def _move(self, bounds: Mapping[str, float]) -> None:
        deviations = self.mechanism.deviations(bounds)
        generator = rng.generator(self._seed, "private noise", self._taken)
        for name, parameter in self._named.items():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            size = deviations[name if self._certified is not None else "all parameters"]
            noise = (size * noise).to(parameter)
            parameter.grad = noise if parameter.grad is None else parameter.grad + noise
        for group, peak in zip(self._optimiser.param_groups, self._peaks, strict=True):
            group["lr"] = peak * self._rates[min(self._taken, len(self._rates) - 1)]
        self._optimiser.step()
        for layer in self.module.modules():
            if isinstance(layer, Constrained):
                layer.project()
        self._taken += 1

    def logged(self) -> Mapping[str, float]:
        """The learning rate of the last step."""
        return {"learning_rate": self._optimiser.param_groups[0]["lr"]}

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Of the optimiser, and how many steps were taken."""
        return {"optimiser": self._optimiser.state_dict(), "taken": self._taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self._optimiser.load_state_dict(state["optimiser"])
        self._taken = state["taken"]


def sample_gradients(
    module: nn.Module,
    loss: Loss,
    batch: Any,
    along: float = 0.0,  # Any: a batch whose fields are rows of samples
) -> tuple[Tensor, dict[str, Tensor]]:
    """The mean loss, and the gradient of every sample's by parameter, ``sample *shape``, by `torch.func`."""
    kind, names = type(batch), [entry.name for entry in fields(batch)]
    parameters = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    caller = _LossOf(module, loss, along)

    def one(parameters: dict[str, Tensor], *values: Tensor) -> tuple[Tensor, Tensor]:
        alone = kind(**{name: value[None] for name, value in zip(names, values, strict=True)})
        value = functional_call(caller, {f"module.{name}": p for name, p in parameters.items()}, (alone,))
        return value, value.detach()

    derivative: Callable[..., Any] = grad(one, has_aux=True)
    values = [getattr(batch, name) for name in names]
    gradients, losses = vmap(derivative, in_dims=(None, *[0] * len(values)))(parameters, *values)
    return losses.mean(), gradients


class _LossOf(nn.Module):
    """A loss as the forward pass of a module, so that it can be called with other parameters."""

    def __init__(self, module: nn.Module, loss: Loss, along: float) -> None:
        super().__init__()
        self.module, self.loss, self.along = module, loss, along

    def forward(self, batch: Any) -> Tensor:  # Any: as in `sample_gradients`
        """The loss."""
        return self.loss(self.module, batch, self.along)
