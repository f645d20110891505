"""Whether the weights that are to stay can stand against the decay, looked at before anything is trained.

All weights decay, those to keep as well; what holds them is the loss. Beside an optimiser that divides by averaged
gradients a step gives back at most about α, and the decay takes α η |w| / (1 - β) of it: what is larger than
(1 - β) / η shrinks, whatever the loss says. With momentum SGD the steps go down the loss plus η/2 ‖w‖²: where that
term, of the weights to keep alone, is more than all that the loss has gained over a network of zeros, zeros are the
better end.
"""

import copy
import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.errors import NumericsError, UserError
from sciml.tools._contract import Subject
from sciml.tools.prune._weights import Weight
from sciml.train import ShuffleSampler, TrainConfig

MOST = 4.0
"""By which the decay may be the stronger one. The weights of an LSSL grew back in tuning from 3.1; a network that
solves Burgers' equation was gone at 12 (optimiser beside the decay) and at 25 (momentum SGD)."""


def check_held(
    sizes: Float[Tensor, " entry"], *, momentum: float, weight_decay: float, learning_rate: float, steps: int
) -> None:
    """Refuse a decay that an optimiser with steps of bounded size cannot give back to most of the weights to keep.

    Arguments:
        sizes: |w| of the entries to keep.
        momentum, weight_decay: β and η.
        learning_rate: the peak α.
        steps: how many.

    Raises:
        UserError: with the steps or the rate that would do.
    """
    limit, median = (1 - momentum) / weight_decay, float(sizes.median())
    if median <= MOST * limit:
        return
    factor = median / limit  # the limit grows with rate times steps
    raise UserError(
        "the decay is stronger than the optimiser's steps, so that the weights to keep would shrink as well",
        got=f"learning_rate={learning_rate:g} in {steps} steps: what is above {limit:.2g} shrinks, "
        f"and half of the weights to keep are above {median:.2g}",
        expected=f"steps that hold weights of {median / MOST:.2g} or more, better all of them",
        fix=f"Set learning_rate={_rounded(factor * learning_rate)}, take {round(factor * steps, -2):.0f} steps, or "
        "something between; or take method=gradual, which does not decay.",
    )


def check_outweighed(
    sizes: Float[Tensor, " entry"],
    losses: tuple[float, float],
    *,
    weight_decay: float,
    learning_rate: float,
    steps: int,
) -> None:
    """Refuse a decay whose penalty for the weights to keep is more than what their network has gained.

    Arguments:
        sizes: |w| of the entries to keep.
        losses: of the network as it is, and of the same with zeros for all prunable weights.
        weight_decay: η.
        learning_rate: the peak α.
        steps: how many.

    Raises:
        UserError: momentum SGD would end at zeros.
    """
    penalty, gained = weight_decay / 2 * float(sizes.square().sum()), losses[1] - losses[0]
    if penalty <= MOST * gained or not math.isfinite(gained):
        return
    times = penalty / max(gained, 1e-300)
    raise UserError(
        "the decay outweighs the loss, so that momentum SGD would drive the weights to keep to zero as well",
        got=f"learning_rate={learning_rate:.2g} in {steps} steps needs weight_decay={weight_decay:.2g}: a penalty of "
        f"{penalty:.2g}, where all that the network has learned is {gained:.2g} of loss",
        expected=f"a penalty of at most {MOST:g} times that, better less than it",
        fix=f"Take {'far more' if times > 100 else f'{times:.2g} times as many'} steps, or adaptive=true, whose own "
        "optimiser holds the weights, or method=gradual, which does not decay.",
    )


def losses_of(
    subject: Subject, module: nn.Module, train: TrainConfig, weights: Sequence[Weight]
) -> tuple[float, float]:
    """Mean loss over a first batch, and that of the same network with zeros for all of `weights`; infinite for none."""
    chosen, zeros = {id(weight.tensor) for weight in weights}, copy.deepcopy(module)
    for (_, parameter), (_, copied) in zip(module.named_parameters(), zeros.named_parameters(), strict=True):
        if id(parameter) in chosen:
            copied.data.zero_()
    examples, seed = subject.bench().examples, rng.derive(subject.seed, "prune", "held")
    indices = ShuffleSampler(seed).indices(0, len(examples), min(train.batch_size, len(examples)))
    device = next(module.parameters()).device

    def loss(network: nn.Module) -> float:
        rng.seed_everything(seed)
        batch = examples.batch(indices, rng.generator(seed)).to(device)
        try:
            value = float(subject.solver.loss(network, batch, 0.0).detach())
        except NumericsError:
            return math.inf
        return value if math.isfinite(value) else math.inf

    return loss(module), loss(zeros)


def kept_sizes(sizes: Float[Tensor, " entry"], count: int) -> Float[Tensor, " kept"]:
    """The `count` largest magnitudes."""
    return sizes.topk(min(count, len(sizes))).values


def _rounded(value: float) -> str:
    return f"{value:.1g}"
