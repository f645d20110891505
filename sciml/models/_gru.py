"""A recurrent network that steps through a series, observation by observation."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sciml.nn import MLP, Network, Units


class GRUSeries(Network):
    """One pass over the requested times t_k, in standardised units.

        x_k = u_k where observed, else û_{k-1},   h_k = GRU((x_k, m_k, t_k - t_{k-1}), h_{k-1}),   û_k = D(h_k)

    m_k says whether t_k was observed, D is a perceptron, and û_0 is preceded by the mean of the data. Where nothing was
    observed the network goes on from its own answers, so that extrapolation needs nothing special. Physical parameters
    are not used: what differs between series must show in the observations.

    Arguments:
        channels: of the series u.
        hidden: size of the state h.
        width: neurons of the hidden layer of D.
        look_ahead: whether another unit first reads the observations from the last to the first, so that what is filled
            in knows of later observations too.
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
        units: Units | None = None,
    ) -> None:
        super().__init__()
        self.units, self.hidden = units or Units.plain(channels), hidden
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
        observed = mask[:, :, None]
        values = torch.where(observed, self.units.standardise(values), 0.0)
        gaps = times.diff(prepend=times[:1]).to(values) / self.time_unit
        context = torch.cat((observed.to(values), gaps.view(1, -1, 1).expand(*values.shape[:2], 1)), dim=2)
        state = self._read(values, context, mask)
        guess, guesses = torch.zeros_like(values[:, 0]), []
        for k in range(values.shape[1]):
            seen = torch.where(observed[:, k], values[:, k], guess)
            state = self.cell(torch.cat((seen, context[:, k]), dim=1), state)
            guess = self.decoder(state)
            guesses.append(guess)
        return torch.stack(guesses, dim=1)

    def _read(self, values: Tensor, context: Tensor, mask: Tensor) -> Float[Tensor, "batch state"]:
        """The first hidden state: zero, or what the reader remembers, from the last observation back to t_0."""
        state = values.new_zeros(len(values), self.hidden)
        if self.reader is not None:
            begun = mask.flip(1).cumsum(1).flip(1) > 0
            for k in begun.any(0).nonzero()[:, 0].flip(0).tolist():
                update = self.reader(torch.cat((values[:, k], context[:, k]), dim=1), state)
                state = torch.where(begun[:, k, None], update, state)
        return state
