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
from typing import Any

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


Side = Callable[[Case], Tensor]


def race(quick: bool) -> Iterable[Row]:
    """Rows for a small, a stiffness-diverse and a wide field, and for inference at many times."""
    repeats = 5 if quick else 15
    torch.manual_seed(0)
    spiral = Spiral()
    around = 2 * torch.rand(512, 2) - 1
    around = around / around.norm(dim=1, keepdim=True) * (0.8 + 1.2 * torch.rand(512, 1))
    mu = torch.exp(torch.rand(256) * math.log(50.0))
    phases = 4 * torch.rand(256, 2) - 2
    cases = [
        Case("spiral 2-50-2, batch 512, train", spiral, around, torch.linspace(0, 3, 10)),
        Case("Van der Pol mu 1..50, batch 256, train", VanDerPol(), phases, torch.linspace(0, 3, 10), (mu,)),
        Case("64-256-256-64, batch 256, train", Wide(), torch.randn(256, 64), torch.linspace(0, 2, 3)),
        Case("spiral, batch 512, 200 times, infer", spiral, around, torch.linspace(0, 3, 200), train=False),
    ]
    for case in cases:
        yield from _against(case, repeats)
    if importlib.util.find_spec("torchode") is None:
        print("torchode is not installed (pip install sciml[peers]); its rows are left out")


def _against(case: Case, repeats: int) -> Iterator[Row]:
    exact = _answer(case.double(), _exact)
    ours = _answer(case, _ours)
    for name, side in _peers(case).items():
        try:
            peer = _answer(case, side)
        except AssertionError as error:  # how torchdiffeq says that it cannot go on
            yield _row(case, name, paired(_work(case, _ours), _nothing, repeats=repeats)[0], None, f"peer: {error}")
            continue
        seconds = paired(_work(case, _ours), _work(case, side), repeats=repeats)
        equal = max(difference(a, b) for a, b in zip(ours, peer, strict=True) if len(b))
        note = f"errors of states, gradients: ours {_errors(ours, exact)}, peer {_errors(peer, exact)}"
        yield _row(case, name, *seconds, note, equal)


def _row(case: Case, peer: str, ours_s: float, peer_s: float | None, note: str, equal: float | None = None) -> Row:
    number = version(peer.partition(" ")[0])
    return Row(case=case.name, ours_s=ours_s, peer=peer, peer_version=number, peer_s=peer_s, equal=equal, note=note)


def _nothing() -> None:
    """The side of a peer that cannot do the work."""


def _peers(case: Case) -> dict[str, Side]:
    found: dict[str, Side] = {"torchdiffeq": _torchdiffeq}
    if case.train:
        found["torchdiffeq adjoint"] = _torchdiffeq_adjoint
    if importlib.util.find_spec("torchode") is not None:
        found["torchode"] = _torchode
    return found


def _ours(case: Case) -> Tensor:
    return ode.solve(
        case.field,
        case.start,
        case.times,
        args=case.args,
        method="dopri5",
        rtol=TOLERANCE,
        atol=TOLERANCE,
    ).states


def _torchdiffeq(case: Case, solve: Callable[..., Tensor] = torchdiffeq.odeint, tolerance: float = TOLERANCE) -> Tensor:
    options = {} if solve is torchdiffeq.odeint else {"adjoint_params": tuple(case.field.parameters())}

    def field(time: Tensor, state: Tensor) -> Tensor:
        return case.field(time, state, *case.args)

    states = solve(field, case.start, case.times, rtol=tolerance, atol=tolerance, method="dopri5", **options)
    return states.transpose(0, 1)


def _torchdiffeq_adjoint(case: Case) -> Tensor:
    return _torchdiffeq(case, torchdiffeq.odeint_adjoint)


def _exact(case: Case) -> Tensor:
    return _torchdiffeq(case, tolerance=EXACT)


def _torchode(case: Case) -> Tensor:
    import torchode

    term = torchode.ODETerm(lambda time, state: case.field(time, state, *case.args), with_stats=False)
    solver = torchode.AutoDiffAdjoint(
        torchode.Dopri5(term=term),
        torchode.IntegralController(atol=TOLERANCE, rtol=TOLERANCE, term=term),
        backprop_through_step_size_control=False,
    )
    times = case.times.expand(len(case.start), -1)
    return solver.solve(torchode.InitialValueProblem(y0=case.start, t_eval=times)).ys


def _work(case: Case, side: Side) -> Callable[[], Answer]:
    return lambda: _answer(case, side)


def _answer(case: Case, side: Side) -> Answer:
    """Forward, backward where the case trains, and what came out."""
    if not case.train:
        with torch.no_grad():
            return side(case), torch.zeros(0)
    case.field.zero_grad()
    states = side(case)
    states.square().mean().backward()
    return states.detach(), torch.cat([p.grad.flatten() for p in case.field.parameters()])


def _errors(found: Answer, exact: Answer) -> str:
    parts = [difference(a.double(), b) for a, b in zip(found, exact, strict=True) if len(b)]
    return ", ".join(f"{part:.1e}" for part in parts)


def steps(case: Case) -> dict[str, Any]:
    """How many steps our side takes, for whoever reads the figures."""
    stats = ode.solve(
        case.field, case.start, case.times, args=case.args, method="dopri5", rtol=TOLERANCE, atol=TOLERANCE
    ).stats
    total = stats.accepted + stats.rejected
    return {"most": int(total.max()), "mean": float(total.double().mean()), "calls": stats.calls}
