"""What a long sequence costs: a training step against an LSTM, kernels against the recurrence, a streaming step.

The networks have equal numbers of parameters, one layer of memory each, and see the same batch.
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
    yield _streaming()


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
