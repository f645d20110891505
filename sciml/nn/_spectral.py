"""Convolution by multiplying the lowest Fourier modes."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError


class SpectralConv(nn.Module):
    """v̂(k) = R(k) û(k) for the wavenumbers -m ≤ k_y < m, 0 ≤ k_x < m, and 0 beyond (per periodic box).

    Coefficients are means over the grid (``norm="forward"``), so a band-limited field gives the same v on every grid
    that resolves it. R is kept as real pairs, mode by mode, so that it is one batched matrix product and a plain
    tensor to optimisers and files; it starts small (a tenth of what would keep amplitudes), which trains better where a
    pointwise path runs beside it. Computed in at least float32, eagerly: compilers do not handle complex numbers.

    Arguments:
        channels_in, channels_out: features.
        modes: m, the number of non-negative wavenumbers kept per axis.
    """

    def __init__(self, channels_in: int, channels_out: int, *, modes: int) -> None:
        super().__init__()
        self.modes = modes
        self.weight = nn.Parameter(torch.empty(2 * modes * modes, channels_in, channels_out, 2))
        nn.init.normal_(self.weight, std=0.1 / math.sqrt(2 * channels_in))

    @torch.compiler.disable
    def forward(self, x: Float[Tensor, "batch channel_in y x"]) -> Float[Tensor, "batch channel_out y x"]:
        """The convolved field on the same grid.

        Raises:
            UserError: the grid does not resolve the modes.
        """
        m, (batch, _, height, width) = self.modes, x.shape
        if 2 * m > min(height, width):
            raise UserError(
                "the grid does not resolve the Fourier modes",
                got=f"{height} x {width} points and modes={m}",
                expected=f"at least {2 * m} points per axis",
                fix=f"Set model.modes={min(height, width) // 2} or less.",
            )
        dtype = x.dtype
        with torch.autocast(x.device.type, enabled=False):
            x_hat = torch.fft.rfft2(x if dtype == torch.float64 else x.float(), norm="forward")
            low = torch.cat((x_hat[:, :, :m, :m], x_hat[:, :, -m:, :m]), dim=2)
            weight = torch.view_as_complex(self.weight.to(x_hat.real.dtype))
            low = low.permute(2, 3, 0, 1).reshape(2 * m * m, batch, -1) @ weight
            low = low.reshape(2 * m, m, batch, -1).permute(2, 3, 0, 1)
            v_hat = low.new_zeros(batch, low.shape[1], height, width // 2 + 1)
            v_hat[:, :, :m, :m] = low[:, :, :m]
            v_hat[:, :, -m:, :m] = low[:, :, m:]
            return torch.fft.irfft2(v_hat, s=(height, width), norm="forward").to(dtype)
