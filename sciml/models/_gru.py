"""A recurrent network that steps through a series, observation by observation."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sciml.models._stepping import Moments, moments_of
from sciml.nn import MLP, Network, Units


class GRUSeries(Network):
    """One pass along a series, in standardised units.

        x_k = u_k where observed, else û_{k-1},   h_k = GRU((x_k, m_k, t_k - t_{k-1}), h_{k-1}),   û_k = D(h_k)

    m_k says whether t_k was observed, D is a perceptron, and û_0 is preceded by the mean of the data. Where nothing was
    observed the network goes on from its own answers, so that extrapolation needs nothing special. Physical parameters
    are not used: what differs between series must show in the observations.

    The t_k are those of the network, `step` apart from the first time on, and the observations. At any other time the
    answer is that of a step which nothing follows, so that it does not depend on what else is asked.

    Arguments:
        channels: of the series u.
        hidden: size of the state h.
        width: neurons of the hidden layer of D.
        look_ahead: whether another unit first reads the observations from the last to the first, so that what is filled
            in knows of later observations too.
        step: time between two t_k; None: the given times are the t_k, and an answer depends on which these are.
        units: what standardises values; none if left out.

    Reference:
        Chen, Rubanova, Bettencourt, Duvenaud, "Neural Ordinary Differential Equations", NeurIPS 2018, arXiv:1806.07366
        (the recurrent network with time differences it compares with).
    """

    time_unit: Tensor

    def __init__(
        self,
        channels: int,
        *,
        hidden: int = 25,
        width: int = 20,
        look_ahead: bool = True,
        step: float | None = None,
        units: Units | None = None,
    ) -> None:
        super().__init__()
        self.units, self.hidden, self.step = units or Units.plain(channels), hidden, step
        self.cell = nn.GRUCell(channels + 2, hidden)
        self.reader = nn.GRUCell(channels + 2, hidden) if look_ahead else None
        self.decoder = MLP(hidden, channels, width=width, nonlinearity="relu")
        self.register_buffer("time_unit", torch.ones(()))

    def forward(
        self,
        times: Float[Tensor, " time"],
        values: Float[Tensor, "batch time channel"],
        mask: Bool[Tensor, "batch time"],
    ) -> Float[Tensor, "batch time channel"]:
        """Standardised values at all of `times`.

        Arguments:
            times: strictly increasing.
            values: what was observed, anything where nothing was.
            mask: whether a time of a series was observed, all its channels at once.
        """
        moments = moments_of(times, values, mask, self.step)
        observed = moments.mask[:, :, None]
        seen = torch.where(observed, self.units.standardise(moments.values), 0.0)
        context = torch.cat((observed.to(seen), moments.gaps[:, :, None].to(seen) / self.time_unit), dim=2)
        state = self._read(seen, context, moments)
        guess, guesses = torch.zeros_like(seen[:, 0]), []
        common = moments.steps.all(0).tolist()
        for k, steps in enumerate(moments.steps.unbind(1)):
            now = torch.where(observed[:, k], seen[:, k], guess)
            following = self.cell(torch.cat((now, context[:, k]), dim=1), state)
            answer = self.decoder(following)
            if common[k]:
                state, guess = following, answer
            else:
                state, guess = (torch.where(steps[:, None], *pair) for pair in ((following, state), (answer, guess)))
            guesses.append(answer)
        return torch.stack(guesses, dim=1)[:, moments.asked]

    def _read(self, values: Tensor, context: Tensor, moments: Moments) -> Float[Tensor, "batch state"]:
        """The first hidden state: zero, or what the reader remembers, from the last observation back to t_0."""
        state = values.new_zeros(len(values), self.hidden)
        if self.reader is not None:
            begun = (moments.mask.flip(1).cumsum(1).flip(1) > 0) & moments.steps
            for k in begun.any(0).nonzero()[:, 0].flip(0).tolist():
                update = self.reader(torch.cat((values[:, k], context[:, k]), dim=1), state)
                state = torch.where(begun[:, k, None], update, state)
        return state
