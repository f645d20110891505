"""The same code, first with torchdiffeq's functions, then with ours."""

import inspect
import itertools
import math

import pytest
import torch
import torchdiffeq
from torch import nn

from sciml import ode
from sciml.core.errors import ConfigError, NumericsError, UnknownNameError, UnsupportedError, UserError

DOUBLE = torch.float64
FIXED = ("euler", "midpoint", "heun2", "heun3", "rk4")
LIBRARIES = (torchdiffeq, ode)
TIMES = torch.tensor([0.0, 0.5, 1.0, 2.0], dtype=DOUBLE)


def slow(*values):
    """A case for the slow suite."""
    return pytest.param(*values, marks=pytest.mark.slow)


class Field(nn.Module):
    """A smooth right-hand side of one state of shape (4, 3)."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.mix = nn.Parameter(torch.randn(3, 3, dtype=DOUBLE) * 0.3)
        self.calls = 0

    def forward(self, t, y):
        self.calls += 1
        assert t.ndim == 0 and y.shape == (4, 3) and t.dtype == y.dtype
        return torch.tanh(y @ self.mix) + torch.sin(3 * t) * y


def initial():
    torch.manual_seed(1)
    return torch.randn(4, 3, dtype=DOUBLE, requires_grad=True)


def results(library, name, times, **how):
    """States, and gradients with respect to everything, as a user's code would compute them."""
    field, y0, t = Field(), initial(), times.clone().requires_grad_()
    states = getattr(library, name)(field, y0, t, **how)
    loss = (states * torch.linspace(0.5, 1.5, states.numel(), dtype=DOUBLE).reshape(states.shape)).sum()
    return (states.detach(), *torch.autograd.grad(loss, (y0, field.mix, t)))


def far(a, b):
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("name", ["odeint", "odeint_adjoint"])
@pytest.mark.parametrize(
    ("method", "backward"),
    [
        (None, True),
        *(slow(*case) for case in itertools.product(("dopri5", "bosh3", "dopri8", "adaptive_heun"), (True, False))),
    ],
)
def test_adaptive_methods_agree(name, method, backward):
    tolerance = {"adaptive_heun": 1e-4, "bosh3": 1e-5}.get(method, 1e-7)
    times = TIMES.flip(0) if backward else TIMES
    theirs, ours = (results(lib, name, times, rtol=tolerance, atol=tolerance, method=method) for lib in LIBRARIES)
    assert ours[0].shape == theirs[0].shape == (4, 4, 3)
    for a, b in zip(ours[:3], theirs[:3], strict=True):
        assert far(a, b) < 1e3 * tolerance
    if name == "odeint_adjoint":  # their odeint's gradient of times goes through the first step, which depends on them
        assert far(ours[3], theirs[3]) < 1e3 * tolerance


@pytest.mark.parametrize(
    ("name", "method", "options"),
    [
        ("odeint", "rk4", {"step_size": 0.1}),
        ("odeint_adjoint", "heun3", {"step_size": 0.1}),
        ("odeint", "midpoint", None),
        ("odeint_adjoint", "euler", None),
        *(slow(*case) for case in itertools.product(("odeint", "odeint_adjoint"), FIXED, (None, {"step_size": 0.1}))),
    ],
)
@pytest.mark.filterwarnings("ignore::sciml.ode.AdjointDriftWarning")
def test_fixed_step_methods_agree_to_rounding(name, method, options):
    theirs, ours = (results(lib, name, TIMES, method=method, options=options) for lib in LIBRARIES)
    for a, b in zip(ours[:3], theirs[:3], strict=True):
        assert far(a, b) < 1e-12


def test_without_a_step_size_the_times_are_the_grid():
    field = Field()
    with torch.no_grad():
        ode.odeint(field, initial(), TIMES, method="euler")
    assert field.calls == len(TIMES)  # one more than steps: the slope at the end is known


def test_fixed_steps_end_on_requested_times():
    times = torch.tensor([0.0, 0.25, 1.0], dtype=DOUBLE)
    with torch.no_grad():
        ours = ode.odeint(lambda t, y: -y, torch.ones(1, dtype=DOUBLE), times, method="rk4", options={"step_size": 0.1})
    assert ours[:, 0].tolist() == pytest.approx([1, math.exp(-0.25), math.exp(-1)], rel=1e-6)


@pytest.mark.parametrize("name", ["odeint", "odeint_adjoint"])
def test_a_tuple_of_tensors(name):
    scale = torch.tensor(0.7, dtype=DOUBLE, requires_grad=True)

    def field(t, state):
        x, total = state
        assert x.shape == (5, 2) and total.shape == ()
        return -scale * x + torch.cos(t), x.square().sum()

    results = []
    for library in LIBRARIES:
        start = (torch.ones(5, 2, dtype=DOUBLE, requires_grad=True), torch.zeros((), dtype=DOUBLE))
        extra = {"adjoint_params": (scale,), "adjoint_atol": 1e-8} if name == "odeint_adjoint" else {}
        states = getattr(library, name)(field, start, TIMES, rtol=1e-8, atol=(1e-8, 1e-7), **extra)
        assert isinstance(states, tuple) and states[0].shape == (4, 5, 2) and states[1].shape == (4,)
        loss = states[0].sum() + 2 * states[1].sum()
        results.append((*states, *torch.autograd.grad(loss, (start[0], scale))))
    for a, b in zip(results[1], results[0], strict=True):
        assert far(a.detach(), b.detach()) < 1e-5


@pytest.mark.parametrize("shape", [(), (1,), (2, 1, 3)])
def test_states_of_any_shape_and_single_precision(shape):
    y0 = torch.rand(shape) + 0.5
    for library in LIBRARIES:
        with torch.no_grad():
            states = library.odeint(lambda t, y: -y, y0, torch.tensor([0.0, 1.0]), rtol=1e-5, atol=1e-6)
        assert states.shape == (2, *shape) and states.dtype == torch.float32
        assert torch.allclose(states[1], y0 * math.exp(-1), rtol=1e-4)


def test_one_time_is_the_state():
    y0 = torch.ones(3)
    for library in LIBRARIES:
        assert torch.equal(library.odeint(lambda t, y: -y, y0, torch.tensor([0.5])), y0[None])


def drop(library, interface, **how):
    """The impact of a ball, by the functions of a library."""
    height = torch.tensor(2.0, dtype=DOUBLE, requires_grad=True)
    gravity = torch.tensor(9.81, dtype=DOUBLE, requires_grad=True)
    begin = torch.tensor(0.5, dtype=DOUBLE, requires_grad=True)

    class Fall(nn.Module):
        def __init__(self):
            super().__init__()
            self.gravity = nn.Parameter(gravity.detach().clone())

        def forward(self, t, state):
            return state[1], -self.gravity

    fall = Fall()
    start = (height, torch.zeros((), dtype=DOUBLE))
    time, states = library.odeint_event(
        fall, start, begin, event_fn=lambda t, state: state[0], odeint_interface=interface(library), **how
    )
    grads = torch.autograd.grad(time + 0.1 * states[1][-1], (height, fall.gravity))
    return time.detach(), states[1][-1].detach(), *grads


def test_an_event_ends_the_solve():
    theirs, ours = (drop(lib, lambda lib: lib.odeint, rtol=1e-8, atol=1e-10) for lib in LIBRARIES)
    for a, b in zip(ours, theirs, strict=True):
        assert far(a, b) < 1e-6
    assert float(ours[0]) == pytest.approx(0.5 + math.sqrt(4 / 9.81), rel=1e-8)
    assert float(ours[2]) == pytest.approx(1 / math.sqrt(4 * 9.81) - 0.1 * math.sqrt(9.81 / 4), rel=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_odeint_with_an_event_returns_its_time_and_states(sign):
    y0, times = torch.zeros(1, dtype=DOUBLE, requires_grad=True), sign * torch.tensor([0.0, 1.0], dtype=DOUBLE)
    for library in LIBRARIES:
        time, states = library.odeint(
            lambda t, y: torch.ones_like(y), y0, times, event_fn=lambda t, y: y.abs() - 7.0, rtol=1e-6, atol=1e-9
        )
        assert float(time.detach()) == pytest.approx(sign * 7, abs=1e-6) and states.shape == (2, 1)
        assert float(states.detach()[1, 0]) == pytest.approx(sign * 7, abs=1e-6)
    (grad,) = torch.autograd.grad(time, y0)  # ours: the event's time carries gradient by itself
    assert float(grad[0]) == pytest.approx(-1, abs=1e-6)


def test_the_first_of_several_events_counts():
    def either(t, y):
        return torch.stack([y[0] - 2, 3 - t, y[0] + 5])

    for library in LIBRARIES:
        with torch.no_grad():
            time, _ = library.odeint(lambda t, y: y, torch.ones(1, dtype=DOUBLE), TIMES[:2], event_fn=either)
        assert float(time) == pytest.approx(math.log(2), abs=1e-6)


def test_an_event_that_never_happens():
    with pytest.raises(NumericsError, match="steps were not enough"):
        ode.odeint(
            lambda t, y: torch.cos(t) + 0 * y,
            torch.zeros(1),
            TIMES[:2].float(),
            event_fn=lambda t, y: y[0] - 5,
            options={"max_num_steps": 50},
            rtol=1e-4,
            atol=1e-4,
        )
    with pytest.raises(NumericsError, match="did not happen"):
        ode.odeint(lambda t, y: 0 * y, torch.zeros(1), TIMES[:2].float(), event_fn=lambda t, y: y[0] - 5)


def test_adaptive_options():
    field = Field()

    def calls(**options):
        field.calls = 0
        with torch.no_grad():
            ode.odeint(field, initial(), TIMES, method="dopri5", options=options, rtol=1e-5, atol=1e-5)
        return field.calls

    usual = calls()
    assert calls(first_step=0.1) != usual and calls(safety=0.5) > usual
    assert calls(max_step=0.05) >= 6 * 40 and calls(ifactor=1.1, first_step=1e-2) > usual
    assert calls(first_step=torch.tensor(2.0), dfactor=0.9) > usual
    with pytest.raises(NumericsError, match="3 steps were not enough"):
        calls(max_num_steps=3)
    with torch.no_grad():
        jump = lambda t, y: 1e6 * (t > 0.5) + 0 * y
        y0 = torch.zeros(1, dtype=DOUBLE)
        ode.odeint(jump, y0, TIMES, method="dopri5", options={"min_step": 1e-3})


def test_a_failure_raises():
    with pytest.raises(NumericsError, match=r"t = 0\.7"), torch.no_grad():
        ode.odeint(lambda t, y: torch.where(t > 0.7, torch.nan, -y), torch.ones(1, dtype=DOUBLE), TIMES)
    with pytest.raises(NumericsError, match="not finite"):
        ode.odeint(lambda t, y: y.sqrt(), -torch.ones(1), TIMES.float())


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"method": "scipy_solver", "options": {"norm": torch.norm}}, UnknownNameError, "solver"),
        ({"method": "scipy_solver", "options": {"solver": "radau"}}, UnknownNameError, "Did you mean 'Radau'"),
        ({"method": "rk4", "options": {"interp": "quintic"}}, UnknownNameError, "cubic, linear"),
        ({"method": "fixed_adams"}, UnknownNameError, "adaptive_heun.*explicit_adams"),
        ({"method": "dorpi5"}, UnknownNameError, "'dopri5'"),
        ({"options": {"perturb": True}}, UnknownNameError, "first_step.*max_num_steps"),
        ({"method": "rk4", "options": {"first_step": 0.1}}, UnknownNameError, "step_size"),
        ({"method": "dopri5", "options": {"step_size": 0.1}}, UnknownNameError, "first_step"),
        ({"options": {"fist_step": 0.1}}, UnknownNameError, "Did you mean 'first_step'"),
        ({"rtol": torch.ones(2)}, UserError, "rtol"),
        ({"t": torch.tensor([[0.0, 1.0]])}, UserError, "one list"),
        ({"t": torch.tensor([0.0, 1.0, 0.5])}, UserError, "followed by"),
        ({"y0": [torch.ones(2)]}, UserError, "tuple of tensors"),
        ({"y0": (torch.ones(2), torch.ones(3)), "atol": (1e-3, 1e-3, 1e-3)}, UserError, "one per entry"),
        ({"func": lambda t, y: y[:1]}, UserError, r"got \(1,\); expected \(2,\)"),
        ({"func": lambda t, y: (y, y)}, UserError, "shape of the state"),
        ({"event_fn": lambda t, y: y[0], "t": TIMES}, UserError, "two times"),
        ({"event_fn": lambda t, y: y[0], "t": TIMES[:2], "method": "rk4"}, ConfigError, "step_size"),
    ],
)
def test_what_it_refuses(how, error, words):
    how = {"func": lambda t, y: -y, "y0": torch.ones(2), "t": torch.tensor([0.0, 1.0]), **how}
    func, y0, t = how.pop("func"), how.pop("y0"), how.pop("t")
    with pytest.raises(error, match=words):
        inspect.unwrap(ode.odeint)(func, y0, t, **how)  # the annotations refuse some where types are checked


@pytest.mark.parametrize(("method", "options"), [("rk4", {"step_size": 0.25}), ("dopri5", {})])
def test_callbacks_are_called_in_both_passes(method, options):
    field, y0, seen = Field(), initial(), []

    def note(name):
        return lambda t, y, dt: seen.append((name, float(t), y, float(dt)))

    names = ("callback_step", "callback_accept_step", "callback_reject_step")
    for name in names if method == "dopri5" else names[:1]:
        setattr(field, name, note(name))
        setattr(field, name + "_adjoint", note(name + "_adjoint"))
    states = ode.odeint_adjoint(field, y0, TIMES[:3], method=method, options=options, rtol=1e-5, atol=1e-6)
    count = [sum(entry[0] == name for entry in seen) for name in names]
    assert all(entry[2].shape == (4, 3) for entry in seen)
    if method == "rk4":
        assert [entry[1] for entry in seen] == [0, 0.25, 0.5, 0.75] and {entry[3] for entry in seen} == {0.25}
    else:
        assert count[0] == count[1] + count[2] > 0
    states.sum().backward()
    back = [sum(entry[0] == name + "_adjoint" for entry in seen) for name in names]
    assert back[0] == 4 if method == "rk4" else back[0] == back[1] + back[2] > 0
    assert all(len(entry[2]) == 2 for entry in seen if entry[0].endswith("adjoint"))


def test_callbacks_that_are_never_called_are_told():
    field = Field()
    field.callback_accept_step = lambda t, y, dt: None
    with pytest.warns(UserWarning, match="callback_accept_step, which this method never calls"):
        ode.odeint(field, initial(), TIMES, method="rk4")


def test_a_norm_of_the_caller_decides_about_steps():
    def calls(**options):
        field, shapes = Field(), []

        def norm(y):
            shapes.append(y.shape)
            return options["scale"] * y.abs().max()

        with torch.no_grad():
            ode.odeint(field, initial(), TIMES, rtol=1e-5, options={"norm": norm} if options else None)
        return field.calls, shapes

    easy, hard = calls(scale=1.0), calls(scale=1e3)
    assert set(easy[1]) == {(4, 3)} and hard[0] > 1.5 * easy[0]
    seen = []
    states = ode.odeint_adjoint(
        lambda t, y: (-y[0], y[0].sum()), (torch.ones(2, requires_grad=True), torch.zeros(())), torch.tensor([0.0, 1]),
        rtol=1e-4, atol=1e-5, options={"norm": lambda y: seen.append(len(y)) or y[0].abs().max()}, adjoint_params=(),
        method="dopri5", adjoint_options={"norm": lambda y: seen.append(len(y)) or y[1].abs().max()},
    )  # fmt: skip
    states[1][-1].backward()
    assert set(seen) == {2, 5}  # (time, y, y, adjoint of y, adjoint of y)


@pytest.mark.parametrize("name", ["odeint", "odeint_adjoint"])
def test_grids_and_perturbed_ends(name):
    asked = []

    def euler(t, y):
        asked.append(float(t))
        return y

    y0 = torch.tensor(1.0, dtype=DOUBLE, requires_grad=True)
    grid = torch.linspace(0, 1, 11, dtype=DOUBLE)
    more = {"adjoint_params": (), "adjoint_options": {"step_size": 0.1}} if name == "odeint_adjoint" else {}
    options = {"grid_constructor": lambda f, y, t: grid}
    states = getattr(ode, name)(euler, y0, TIMES[[0, 1, 2]], method="euler", options=options, **more)
    assert states.tolist() == pytest.approx([1, 1.1**5, 1.1**10], rel=1e-12)
    (slope,) = torch.autograd.grad(states[-1], y0)
    assert float(slope) == pytest.approx(1.1**10, rel=1e-7)
    for perturb in (True, False):
        asked.clear()
        ode.odeint(euler, y0, TIMES[[0, 2]], method="rk4", options={"step_size": 0.5, "perturb": perturb})
        assert ({0.0, 0.5, 1.0} & set(asked) == set()) is perturb
    with pytest.raises(ConfigError, match="exclude"):
        ode.odeint(euler, y0, TIMES, method="euler", options={**options, "step_size": 0.1})
    with pytest.raises(UserError, match="begin and end"):
        ode.odeint(euler, y0, TIMES, method="euler", options=options)


@pytest.mark.parametrize("name", ["odeint", "odeint_adjoint"])
def test_complex_states(name):
    """y' = -i w y: y(pi) = exp(-i pi w), and d Re y / dw = -pi sin(pi w)."""
    w = torch.tensor(0.25, dtype=DOUBLE, requires_grad=True)
    y0 = torch.tensor([1 + 0j], dtype=torch.complex128, requires_grad=True)
    times = torch.tensor([0.0, math.pi], dtype=DOUBLE)
    states = getattr(ode, name)(lambda t, y: -1j * w * y, y0, times, rtol=1e-9, atol=1e-10)
    exact = complex(math.cos(math.pi / 4), -math.sin(math.pi / 4))
    assert states.dtype == torch.complex128 and states[-1].item() == pytest.approx(exact, abs=1e-7)
    by_w, by_y0 = torch.autograd.grad(states[-1].real.sum(), (w, y0))
    assert float(by_w) == pytest.approx(-math.pi * math.sin(math.pi / 4), abs=1e-6)
    assert by_y0.item() == pytest.approx(exact.conjugate(), abs=1e-6)  # the conjugate, as torch has it
    both = ode.odeint(lambda t, s: (-1j * s[0], -s[1]), (y0, torch.ones(2, dtype=DOUBLE)), times)
    assert both[0].is_complex() and not both[1].is_complex()
    with pytest.raises(UserError, match="shape of the state"):
        ode.odeint(lambda t, y: y.real, y0, times)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_transforms_work_or_are_refused():
    def end(y):
        return ode.odeint(lambda t, y: -(y**2), y, TIMES)[-1].sum()

    assert torch.func.grad(end)(torch.ones(2, dtype=DOUBLE)).tolist() == pytest.approx([1 / 9, 1 / 9], rel=1e-6)
    with pytest.raises(UnsupportedError, match=r"torch\.vmap.*one row per sample"):
        torch.func.vmap(end)(torch.ones(3, 2, dtype=DOUBLE))


def test_scipy_solver_is_there():
    y0 = torch.ones(2, dtype=DOUBLE, requires_grad=True)
    for solver in ("Radau", "DOP853"):
        states = ode.odeint_adjoint(
            lambda t, y: -y, y0, TIMES, method="scipy_solver", options={"solver": solver}, rtol=1e-8, adjoint_params=()
        )
        assert states[:, 0].tolist() == pytest.approx(torch.exp(-TIMES).tolist(), rel=1e-6)
        (slope,) = torch.autograd.grad(states[-1].sum(), y0)
        assert slope.tolist() == pytest.approx([math.exp(-2)] * 2, rel=1e-5)


def test_events_under_the_adjoint():
    theirs, ours = (drop(lib, lambda lib: lib.odeint_adjoint, rtol=1e-8, atol=1e-10) for lib in LIBRARIES)
    for a, b in zip(ours, theirs, strict=True):
        assert far(a, b) < 1e-6


def test_what_the_adjoint_refuses():
    field, y0 = Field(), initial()
    with pytest.raises(ConfigError, match="adjoint_options"):
        ode.odeint_adjoint(field, y0, TIMES, method="rk4", options={"step_size": 0.1}, adjoint_method="dopri5")
    with pytest.raises(ConfigError, match="max_num_steps"):
        ode.odeint_adjoint(field, y0, TIMES, adjoint_options={"max_num_steps": 5})


@pytest.mark.slow
def test_the_adjoint_may_be_solved_differently():
    grads = []
    for how in (
        {},
        {"adjoint_rtol": 1e-9, "adjoint_atol": 1e-9},
        {"adjoint_method": "tsit5"},
        {"adjoint_method": "rk4", "adjoint_options": {"step_size": 0.02}},
        {"adjoint_options": {"norm": "seminorm"}},
        {"adjoint_params": None},
    ):
        grads.append(results(ode, "odeint_adjoint", TIMES, rtol=1e-6, atol=1e-6, method="dopri5", **how)[2])
    for grad in grads[1:]:
        assert far(grad, grads[0]) < 1e-3
    assert torch.equal(grads[0], grads[5]) and not torch.equal(grads[0], grads[1])


def test_parameters_that_are_not_named_get_no_gradient():
    field, y0 = Field(), initial()
    ode.odeint_adjoint(field, y0, TIMES, rtol=1e-4, adjoint_params=()).sum().backward()
    assert field.mix.grad is None and y0.grad is not None


def test_a_parameter_used_only_later_in_time_is_never_lost_in_a_closure():
    late = torch.tensor(0.5, dtype=DOUBLE, requires_grad=True)
    start = torch.ones(1, dtype=DOUBLE, requires_grad=True)
    field = lambda t, y: late * y if t > 0.7 else -y
    ode.odeint(field, start, TIMES, rtol=1e-3).sum().backward()
    assert late.grad.item() > 0
    with pytest.raises(UserError, match=r"nn\.Module"):
        ode.odeint_adjoint(field, start, TIMES, rtol=1e-3).sum().backward()


def test_methods_of_ours_are_taken_as_they_are():
    stiff = lambda t, y: -1e4 * (y - torch.cos(t))
    with torch.no_grad():
        states = ode.odeint(
            stiff, torch.ones(1, dtype=DOUBLE), TIMES, method=ode.METHODS["kvaerno5"], rtol=1e-5, atol=1e-6
        )
    assert states[:, 0].tolist() == pytest.approx(TIMES.cos().tolist(), abs=1e-3)
