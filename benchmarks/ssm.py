"""What a long sequence costs: a training step against an LSTM, kernels against the recurrence, a streaming step.

The networks have equal numbers of parameters (within 10 %) and see the same batch. What a ratio of theirs depends on is
raced at 4k times: the batch, the width, and the precision, since PyTorch's fused LSTM is of single precision alone.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from benchmarks import Row, difference, paired, version
from sciml.models import LSSL, S4, S4D, RecurrentNetwork
from sciml.nn.ssm import discretise, hippo, krylov, nplr, nplr_kernel, recurrence
from sciml.train import count_parameters

FEATURES, STATE, DEPTH, BATCH = 32, 64, 2, 8
HIDDEN = {"lssl": 38, "s4d": 50}
"""Hidden units of an LSTM of nearly as many parameters."""


def race(quick: bool) -> Iterable[Row]:
    """Rows for lengths 1k, 4k and 16k (1k alone if quick)."""
    repeats = 3
    for length in (1024,) if quick else (1024, 4096, 16_384):
        torch.manual_seed(0)
        signal = torch.randn(BATCH, length, 1)
        sizes = {"features": FEATURES, "state": STATE, "depth": DEPTH, "dt_range": (1 / length, 100 / length)}
        networks = {
            "LSSL": (LSSL(1, 1, learn="dt", **sizes), HIDDEN["lssl"]),
            "LSSL-f": (LSSL(1, 1, learn="none", **sizes), HIDDEN["lssl"]),
            "S4": (S4(1, 1, **sizes), HIDDEN["lssl"]),
            "S4D": (S4D(1, 1, **sizes), HIDDEN["s4d"]),
        }
        for name, (network, hidden) in networks.items():
            peer = RecurrentNetwork(1, 1, hidden=hidden)
            seconds = paired(_train(network, signal), _train(peer, signal), repeats=repeats)
            note = f"{count_parameters(network):,} against {count_parameters(peer):,} parameters"
            case = f"{name} training step, batch {BATCH}, length {length}"
            yield Row(case=case, ours_s=seconds[0], peer="nn.LSTM", peer_version=torch.__version__, peer_s=seconds[1],
                      note=note)  # fmt: skip
        yield from _kernels(length, repeats)
    if not quick:
        yield from _sizes(4096, repeats)
    yield _streaming()


def _sizes(length: int, repeats: int) -> Iterable[Row]:
    """S4D at other batches, widths and precisions, and the transforms of its convolutions with nothing around them."""
    usual, small = (DEPTH, FEATURES), (6, 128)
    for batch, dtype, (depth, features), hidden in (
        (1, torch.float32, usual, HIDDEN["s4d"]),
        (1, torch.float32, small, 224),  # the small network of the paper, 0.2 million parameters
        (1, torch.float64, usual, HIDDEN["s4d"]),
        (BATCH, torch.float64, usual, HIDDEN["s4d"]),
    ):
        torch.manual_seed(0)
        signal = torch.randn(batch, length, 1, dtype=dtype)
        network = S4D(1, 1, features=features, state=STATE, depth=depth, dt_range=(1 / length, 100 / length)).to(dtype)
        peer = RecurrentNetwork(1, 1, hidden=hidden).to(dtype)
        seconds = paired(_train(network, signal), _train(peer, signal), repeats=repeats)
        precision = "double precision, " if dtype == torch.float64 else ""
        case = f"S4D training step, {precision}{depth} layers of {features}, batch {batch}, length {length}"
        yield Row(case=case, ours_s=seconds[0], peer="nn.LSTM", peer_version=torch.__version__, peer_s=seconds[1],
                  note=f"{count_parameters(network):,} against {count_parameters(peer):,} parameters")  # fmt: skip
    signal = torch.randn(BATCH, length, 1)
    seconds = paired(_transforms(length), _train(RecurrentNetwork(1, 1, hidden=HIDDEN["s4d"]), signal), repeats=repeats)
    yield Row(case=f"transforms of S4D alone, batch {BATCH}, length {length}", ours_s=seconds[0], peer="nn.LSTM",
              peer_version=torch.__version__, peer_s=seconds[1],
              note="five per layer, feature and sample, one sample after another: "
              "what a convolution by FFT cannot go below")  # fmt: skip


def _transforms(length: int) -> Callable[[], None]:
    """A transform there and back forwards; of gradient and signal there, and of one gradient back, backwards."""
    signals = torch.randn(FEATURES, 2 * length)
    spectra = torch.fft.rfft(signals)

    def run() -> None:
        for _ in range(BATCH * DEPTH):
            for _ in range(3):
                torch.fft.rfft(signals)
            for _ in range(2):
                torch.fft.irfft(spectra, n=2 * length)

    return run


def _train(network: nn.Module, signal: Tensor) -> Callable[[], Tensor]:
    def run() -> Tensor:
        network.zero_grad()
        loss = network(signal).square().mean()
        loss.backward()
        return loss.detach()

    return run


def _kernels(length: int, repeats: int) -> Iterable[Row]:
    """The kernel of one LegS system: doubling against the recurrence, and the Cauchy kernel of S4 against doubling."""
    (matrix, drive), form = hippo("legs", STATE), nplr(STATE)
    dt = torch.tensor(1 / length, dtype=torch.float64)
    output = torch.randn(STATE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    system = discretise(matrix, drive, dt)
    impulse = torch.zeros(length, dtype=torch.float64)
    impulse[0] = 1
    power = torch.linalg.matrix_power(system.matrix, length)
    truncated = (output - output @ power).to(form.basis.dtype) @ form.basis

    def doubling() -> Tensor:
        return output @ krylov(discretise(matrix, drive, dt), length)

    def stepping() -> Tensor:
        return recurrence(system, impulse, torch.zeros(STATE, dtype=torch.float64)) @ output

    def cauchy() -> Tensor:
        return nplr_kernel(form, truncated, dt, length)

    for case, ours, peer, theirs in (
        ("kernel by doubling", doubling, "recurrence", stepping),
        ("kernel of S4", cauchy, "doubling", doubling),
    ):
        seconds = paired(ours, theirs, repeats=repeats)
        yield Row(
            case=f"{case}, N = {STATE}, length {length}",
            ours_s=seconds[0],
            peer=peer,
            peer_version=version("sciml"),
            peer_s=seconds[1],
            equal=difference(ours(), theirs()),
        )


@torch.no_grad()
def _streaming() -> Row:
    """The latency of one more value, for one sample."""
    torch.manual_seed(0)
    network = LSSL(1, 1, features=FEATURES, state=STATE, depth=DEPTH, learn="none").eval()
    cells = [nn.LSTMCell(1, HIDDEN["lssl"]), nn.Linear(HIDDEN["lssl"], 1)]
    value, past = torch.randn(1, 1), network.initial(1)
    state = (torch.zeros(1, HIDDEN["lssl"]), torch.zeros(1, HIDDEN["lssl"]))
    network.step(value, past)

    def ours() -> Tensor:
        return network.step(value, past)[0]

    def theirs() -> Tensor:
        return cells[1](cells[0](value, state)[0])

    seconds = paired(ours, theirs, repeats=51)
    return Row(
        case="LSSL streaming step, 1 sample",
        ours_s=seconds[0],
        peer="nn.LSTMCell",
        peer_version=torch.__version__,
        peer_s=seconds[1],
    )
