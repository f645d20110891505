"""Solving and differentiating neural ODEs: against torchdiffeq and, where it is installed, torchode.

All sides run Dormand and Prince's 5(4) pair at the same tolerances in float32. Equal tolerances are not equal errors,
since each side measures the error its own way: the note of every row gives the largest errors of states and gradients
of both, against a solution in float64.
"""

import copy
import importlib.util
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
import torchdiffeq
from torch import Tensor, nn

from benchmarks import Row, difference, paired, version
from sciml import ode

TOLERANCE = 1e-6
EXACT = 1e-9

Answer = tuple[Tensor, Tensor]
"""States ``batch time dim`` and the gradient of their mean square with respect to all parameters, as one vector."""


class Spiral(nn.Module):
    """dy/dt = W_2 tanh(W_1 y³ + b_1) + b_2, taught the cubic spiral before the race."""

    def __init__(self, width: int = 50) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 2))
        true = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
        optimiser = torch.optim.Adam(self.parameters(), lr=1e-2)
        for _ in range(300):
            cubes = (2 * torch.rand(256, 2) - 1) ** 3 * 8
            optimiser.zero_grad()
            (self.layers(cubes) - cubes @ true).square().mean().backward()
            optimiser.step()

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        """The slope."""
        return self.layers(state**3)


class VanDerPol(nn.Module):
    """x' = v, v' = μ (1 - x²) v - x, with μ per sample, and a small network that corrects both."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 2))

    def forward(self, time: Tensor, state: Tensor, mu: Tensor) -> Tensor:
        """The slope."""
        x, v = state.unbind(1)
        return torch.stack((v, mu * (1 - x * x) * v - x), dim=1) + 0.01 * self.layers(state)


class Wide(nn.Module):
    """Two hidden layers on a state of many components."""

    def __init__(self, size: int = 64, width: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(size, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, size)
        )
        with torch.no_grad():
            self.layers[-1].weight.mul_(6.0)

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        """The slope."""
        return self.layers(state)


@dataclass(frozen=True)
class Case:
    """What is solved: a field, initial states, times, the field's arguments, and whether gradients are wanted."""

    name: str
    field: nn.Module
    start: Tensor
    times: Tensor
    args: tuple[Tensor, ...] = ()
    train: bool = True

    def double(self) -> "Case":
        """The same in float64."""
        args = tuple(a.double() for a in self.args)
        return replace(
            self,
            field=copy.deepcopy(self.field).double(),
            start=self.start.double(),
            times=self.times.double(),
            args=args,
        )


Side = Callable[[Case, float], Tensor]
"""``(case, tolerance) -> states``."""


def race(quick: bool) -> Iterable[Row]:
    """Rows for a small field in large and small batches, a stiffness-diverse and a wide one, and for inference."""
    repeats = 5 if quick else 15
    torch.manual_seed(0)
    spiral = Spiral()
    around = 2 * torch.rand(512, 2) - 1
    around = around / around.norm(dim=1, keepdim=True) * (0.8 + 1.2 * torch.rand(512, 1))
    mu = torch.exp(torch.rand(256) * math.log(50.0))
    phases = 4 * torch.rand(256, 2) - 2
    ten = torch.linspace(0, 2, 10)
    cases = [
        Case("spiral 2-50-2, batch 512, train", spiral, around, ten),
        Case("spiral 2-50-2, batch 32, train", spiral, around[:32], ten),
        Case("Van der Pol mu 1..50, batch 256, train", VanDerPol(), phases, torch.linspace(0, 3, 10), (mu,)),
        Case("64-256-256-64, batch 256, train", Wide(), torch.randn(256, 64), torch.linspace(0, 4, 3)),
        Case("spiral, batch 512, 200 times, infer", spiral, around, torch.linspace(0, 2, 200), train=False),
    ]
    for case in cases:
        yield from _against(case, repeats)
    if importlib.util.find_spec("torchode") is None:
        print("torchode is not installed (pip install sciml[peers]); its rows are left out")


def _against(case: Case, repeats: int) -> Iterator[Row]:
    exact = _answer(case.double(), _torchdiffeq, EXACT)
    ours = _answer(case, _ours)
    least = difference(ours[0].double(), exact[0])
    for name, side in _peers(case).items():
        try:
            yield _row(case, name, side, TOLERANCE, ours, exact, repeats)
            if name != "torchdiffeq adjoint" and (tolerance := _as_exact_as(case, side, exact, least)) is not None:
                yield _row(case, f"{name} at {tolerance:.0e}", side, tolerance, ours, exact, repeats)
        except AssertionError as error:  # how torchdiffeq says that it cannot go on
            seconds = paired(_work(case, _ours), lambda: None, repeats=repeats)[0]
            yield Row(
                case=case.name,
                ours_s=seconds,
                peer=name,
                peer_version=_version(name),
                peer_s=None,
                note=f"peer: {error}",
            )


def _as_exact_as(case: Case, side: Side, exact: Answer, error: float) -> float | None:
    """The loosest of some smaller tolerances at which the peer's states are as exact; None if they are so already."""
    for tolerance in (TOLERANCE, TOLERANCE / 3, TOLERANCE / 10, TOLERANCE / 30, TOLERANCE / 100):
        with torch.no_grad():
            answer = side(case, tolerance)
        if difference(answer.double(), exact[0]) <= 1.1 * error:
            return None if tolerance == TOLERANCE else tolerance
    return None


def _row(case: Case, name: str, side: Side, tolerance: float, ours: Answer, exact: Answer, repeats: int) -> Row:
    peer = _answer(case, side, tolerance)
    seconds = paired(_work(case, _ours), _work(case, side, tolerance), repeats=repeats)
    return Row(
        case=case.name,
        ours_s=seconds[0],
        peer=name,
        peer_version=_version(name),
        peer_s=seconds[1],
        equal=max(difference(a, b) for a, b in zip(ours, peer, strict=True) if len(b)),
        note=f"errors of states, gradients: ours {_errors(ours, exact)}, peer {_errors(peer, exact)}",
    )


def _version(name: str) -> str | None:
    return version(name.partition(" ")[0])


def _peers(case: Case) -> dict[str, Side]:
    sides: dict[str, Side] = {"torchdiffeq": _torchdiffeq}
    if case.train:
        sides["torchdiffeq adjoint"] = _torchdiffeq_adjoint
    if importlib.util.find_spec("torchode") is not None:
        sides["torchode"] = _torchode
    return sides


def _ours(case: Case, tolerance: float) -> Tensor:
    return ode.solve(
        case.field, case.start, case.times, args=case.args, method="dopri5", rtol=tolerance, atol=tolerance
    ).states


def _torchdiffeq(case: Case, tolerance: float) -> Tensor:
    states = torchdiffeq.odeint(_bound(case), case.start, case.times, rtol=tolerance, atol=tolerance, method="dopri5")
    return states.transpose(0, 1)


def _torchdiffeq_adjoint(case: Case, tolerance: float) -> Tensor:
    states = torchdiffeq.odeint_adjoint(
        _bound(case),
        case.start,
        case.times,
        rtol=tolerance,
        atol=tolerance,
        method="dopri5",
        adjoint_params=tuple(case.field.parameters()),
    )
    return states.transpose(0, 1)


def _torchode(case: Case, tolerance: float) -> Tensor:
    import torchode

    term = torchode.ODETerm(_bound(case), with_stats=False)
    solver = torchode.AutoDiffAdjoint(
        torchode.Dopri5(term=term),
        torchode.IntegralController(atol=tolerance, rtol=tolerance, term=term),
        backprop_through_step_size_control=False,
    )
    times = case.times.expand(len(case.start), -1)
    return solver.solve(torchode.InitialValueProblem(y0=case.start, t_eval=times)).ys


def _bound(case: Case) -> Callable[[Tensor, Tensor], Tensor]:
    """The field with its arguments; the peers keep all rows together, so that they may be closed over."""
    return lambda time, state: case.field(time, state, *case.args)


def _work(case: Case, side: Side, tolerance: float = TOLERANCE) -> Callable[[], Answer]:
    return lambda: _answer(case, side, tolerance)


def _answer(case: Case, side: Side, tolerance: float = TOLERANCE) -> Answer:
    """Forward, backward where the case trains, and what came out."""
    if not case.train:
        with torch.no_grad():
            return side(case, tolerance), torch.zeros(0)
    case.field.zero_grad()
    states = side(case, tolerance)
    states.square().mean().backward()
    return states.detach(), torch.cat([p.grad.flatten() for p in case.field.parameters()])


def _errors(answer: Answer, exact: Answer) -> str:
    parts = [difference(a.double(), b) for a, b in zip(answer, exact, strict=True) if len(b)]
    return ", ".join(f"{error:.1e}" for error in parts)
