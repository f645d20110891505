"""Networks generated from a PDE: equal to the schemes they are, to torch's stacks, and stable as they promise."""

import math

import numpy as np
import pytest
import sympy
import torch
from torch import nn

from sciml import models
from sciml.core.domain import Coordinate, Domain, dirichlet, initial, neumann
from sciml.core.errors import UserError
from sciml.core.statement import Statement, Unknown
from sciml.models.npde import (
    Advection,
    Constant,
    Diffusion,
    FieldCoefficient,
    Given,
    Mix,
    NetCoefficient,
    NonLocal,
    NPDESpec,
    Reaction,
    Source,
    SpecAxis,
    Trainable,
    adjoint_rollout,
    as_text,
    equations_of,
    generate,
    library,
    read_terms,
    regression_rows,
    trainable_numbers,
)
from sciml.train import solve_columns

N = 24
RING = SpecAxis(name="x", size=N, upper=2 * math.pi, units="m")
DX = RING.spacing
TRUE = {"D": 0.02, "c": 0.5, "r": 3.0}
TERMS = (
    Diffusion(target="u", coefficient="D"),
    Advection(target="u", axis="x", coefficient="c"),
    Reaction(target="u", formula="u*(1 - u)", coefficient="r"),
)


def spec(terms=TERMS, coefficients=None, **more):
    known = tuple(Constant(name=name, value=value) for name, value in TRUE.items())
    settings = {"axes": (RING,), "dt": 5e-4, "steps": 40, "time_units": "s"} | more
    return NPDESpec(terms=terms, coefficients=known if coefficients is None else coefficients, **settings)


def learned(**more):
    starts = (
        Trainable(name="D", start=0.01, lower=0.0),
        Trainable(name="c", start=0.1),
        Trainable(name="r", start=1.0),
    )
    return spec(coefficients=starts, **more)


def waves(count=4, size=N, seed=0):
    x = torch.arange(size, dtype=torch.float64) * (2 * math.pi / size)
    g = torch.Generator().manual_seed(seed)
    phases = 6 * torch.rand(count, 3, generator=g, dtype=torch.float64)
    return torch.stack([0.5 + sum(0.15 * torch.sin((k + 1) * x + p[k]) / (k + 1) for k in range(3)) for p in phases])[
        :, None
    ]


def roll(u, shift, axis=-1):
    return np.roll(u, shift, axis)


def lap(u, dx=DX, axis=-1):
    return (roll(u, -1, axis) - 2 * u + roll(u, 1, axis)) / dx**2


CLASSICAL = {
    "heat": ((TERMS[0],), lambda u, dt: u + dt * 0.02 * lap(u)),
    "advection-diffusion, upwind": (
        (TERMS[0], Advection(target="u", axis="x", coefficient="c", scheme="upwind")),
        lambda u, dt: u + dt * (0.02 * lap(u) - 0.5 * (u - roll(u, 1)) / DX),
    ),
    "Fisher-KPP": (
        (TERMS[0], TERMS[2]), lambda u, dt: u + dt * (0.02 * lap(u) + 3.0 * u * (1 - u)),
    ),
    "Burgers in flux form": (
        (TERMS[0], Advection(target="u", axis="x", velocity="u", scheme="flux")),
        lambda u, dt: u + dt * (0.02 * lap(u) - (roll(u, -1) ** 2 - roll(u, 1) ** 2) / (4 * DX)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CLASSICAL)
def test_conv_is_the_explicit_scheme(name):
    terms, step = CLASSICAL[name]
    network, state = generate(spec(terms)), waves()
    found = network.rollout(state, 40)
    expected = state.numpy()
    for k in range(40):
        expected = step(expected, 5e-4)
        np.testing.assert_allclose(found[:, k].numpy(), expected, rtol=0, atol=1e-12)
    single = generate(spec(terms)).float().rollout(state.float(), 40)
    np.testing.assert_allclose(single[:, -1].numpy(), expected, rtol=0, atol=1e-5)


def test_conv_in_the_plane_with_walls_is_the_five_point_scheme():
    """Fisher-KPP with no flux along y, periodic along x."""
    axes = (SpecAxis(name="y", size=6, boundary="neumann"), SpecAxis(name="x", size=8))
    network = generate(spec((TERMS[0], TERMS[2]), axes=axes, dt=1e-3))
    state = torch.rand(2, 1, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    u = state.numpy()
    for _ in range(10):
        wide = np.concatenate((u[:, :, :1], u, u[:, :, -1:]), 2)
        along_y = (wide[:, :, 2:] - 2 * u + wide[:, :, :-2]) * 36
        u = u + 1e-3 * (0.02 * (along_y + lap(u, 1 / 8)) + 3 * u * (1 - u))
    np.testing.assert_allclose(network.rollout(state, 10)[:, -1].numpy(), u, rtol=0, atol=1e-12)


def dense_laplacian():
    eye = np.eye(N)
    return (np.roll(eye, 1, 1) - 2 * eye + np.roll(eye, -1, 1)) / DX**2


PSI = {"fields": ("psi",), "dtype": "complex", "dt": 1e-2, "coefficients": ()}
KINETIC = Diffusion(target="psi", scale=0.5, imaginary=True)
WELL = Reaction(target="psi", formula="(x - 3)**2*psi", scale=-0.1, imaginary=True)


def packet():
    x = torch.arange(N, dtype=torch.float64) * DX
    return torch.exp(-((x - 3) ** 2) + 2j * x)[None, None]


def test_schroedinger_is_crank_nicolson_with_exact_norm():
    state = packet()
    found = generate(spec((KINETIC, WELL), scheme="crank_nicolson", **PSI)).rollout(state, 200)
    x = np.arange(N) * DX
    hamilton = 0.5j * dense_laplacian() - 0.1j * np.diag((x - 3) ** 2)
    step = np.linalg.solve(np.eye(N) - 0.005 * hamilton, np.eye(N) + 0.005 * hamilton)
    psi = state.numpy()
    for _ in range(200):
        psi = psi @ step.T
    np.testing.assert_allclose(found[:, -1].numpy(), psi, atol=1e-12)
    norms = found.abs().square().sum((2, 3)) / state.abs().square().sum()
    assert (norms - 1).abs().max() < 1e-12


@pytest.mark.parametrize("boundary", ["periodic", "dirichlet"])
@torch.no_grad()
def test_split_step_keeps_the_norm_and_is_of_second_order(boundary):
    axis = RING.model_copy(update={"boundary": boundary})
    nonlinear = Reaction(target="psi", formula="abs(psi)**2*psi", imaginary=True)
    ends = []
    for parts in (10, 20, 40, 160):
        settings = PSI | {"axes": (axis,), "scheme": "split_step", "dt": 0.2 / parts}
        rolled = generate(spec((KINETIC, WELL, nonlinear), **settings)).rollout(packet(), parts)
        assert (rolled.abs().square().sum((2, 3)) / packet().abs().square().sum() - 1).abs().max() < 1e-12
        ends.append(rolled[:, -1])
    errors = [float((end - ends[-1]).abs().max()) for end in ends[:3]]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.15)
    assert math.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.15)


def test_paraxial_beam_widens_as_theory_says():
    """w(z) = w0 √(1 + (z/zR)²), zR = k w0²/2, within 1 % after one Rayleigh length, by a unitary scheme."""
    k, waist, size = 20.0, 1.0, 192
    axis = SpecAxis(name="x", size=size, lower=-12, upper=12)
    rayleigh = k * waist**2 / 2
    settings = {
        "axes": (axis,), "fields": ("e",), "dtype": "complex", "dt": rayleigh / 50, "scheme": "crank_nicolson",
        "coefficients": (),
    }  # fmt: skip
    network = generate(spec((Diffusion(target="e", scale=1 / (2 * k), imaginary=True),), **settings))
    x = axis.lower + torch.arange(size, dtype=torch.float64) * axis.spacing
    beam = network.rollout(torch.exp(-((x / waist) ** 2))[None, None].to(torch.complex128), 50)[0, -1, 0]
    power = beam.abs().square()
    width = 2 * (power @ x**2 / power.sum()).sqrt()
    assert float(width) == pytest.approx(waist * math.sqrt(2), rel=0.01)


# ---- the three textbook architectures


def copied(target, **weights):
    with torch.no_grad():
        for name, value in weights.items():
            getattr(target, name).copy_(value)
    return target.double() if isinstance(target, nn.Module) else target


def test_conv_is_a_stack_of_torch_convolutions_with_a_skip():
    network = generate(spec(TERMS[:2]))
    layer = nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular", bias=False, dtype=torch.float64)
    copied(layer, weight=network.kernel())
    weights = [0.02 / DX**2 + 0.5 / (2 * DX), -0.04 / DX**2, 0.02 / DX**2 - 0.5 / (2 * DX)]
    assert network.kernel().flatten().tolist() == pytest.approx(weights, rel=1e-14)
    state = expected = waves()
    for _ in range(40):
        expected = expected + 5e-4 * layer(expected)
    torch.testing.assert_close(network.rollout(state)[:, -1], expected.detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("scheme", ["explicit", "imex", "crank_nicolson", "rk4"])
@pytest.mark.parametrize("activation", ["tanh", "none"])
def test_mlp_is_a_stack_of_torch_linears(scheme, activation):
    source = Source(target="u", formula="sin(x)", coefficient="c")
    network = generate(spec((*TERMS[:2], source), scheme=scheme), "mlp", activation=activation)
    found = network.layer()
    linear = copied(nn.Linear(N, N, dtype=torch.float64), weight=found.weight, bias=found.bias)
    stack = nn.Sequential(*[linear, nn.Tanh() if activation == "tanh" else nn.Identity()] * 40)
    torch.testing.assert_close(network.rollout(waves())[:, -1, 0], stack(waves()[:, 0]).detach(), rtol=0, atol=1e-12)
    if activation == "none":
        steps = 40 if scheme != "imex" else 0  # imex of the conv form has explicit advection
        dense, conv = (generate(spec((*TERMS[:2], source), scheme=scheme), form) for form in ("mlp", "conv"))
        torch.testing.assert_close(dense.rollout(waves(), steps + 1), conv.rollout(waves(), steps + 1),
                                   rtol=0, atol=1e-12 if steps else 1e-5)  # fmt: skip


def test_rnn_is_torch_s_rnn_with_input_injection():
    inputs = torch.randn(4, 40, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    sources = tuple(Source(target="u", formula=f, channel=i) for i, f in enumerate(("sin(x)", "1")))
    network = generate(spec((*TERMS[:2], *sources), inputs=2), "rnn", activation="tanh")
    layer, state = network.layer(), waves()
    peer = nn.RNN(2, N, batch_first=True, nonlinearity="tanh", dtype=torch.float64)
    copied(peer, weight_ih_l0=layer.inject, weight_hh_l0=layer.weight, bias_ih_l0=layer.bias,
           bias_hh_l0=torch.zeros(N, dtype=torch.float64))  # fmt: skip
    expected, _ = peer(inputs, state[:, 0][None].contiguous())
    found = network.rollout(state, 40, inputs=inputs)[:, :, 0]
    torch.testing.assert_close(found, expected.detach(), rtol=0, atol=1e-12)


def test_the_activation_of_the_mlp_is_the_logistic_flow():
    network = generate(spec((TERMS[0], TERMS[2])), "mlp")
    weight, state, grown = network.layer().weight, waves(), math.exp(3.0 * 5e-4)
    moved = state[:, 0] @ weight.T
    expected = moved * grown / (1 + moved * (grown - 1))
    torch.testing.assert_close(network(state)[:, 0], expected, rtol=0, atol=1e-13)


def test_tied_layers_are_layers_of_their_own_with_equal_weights():
    free = tuple(Trainable(name=name, start=value) for name, value in TRUE.items())
    tied, own = (generate(spec(coefficients=free, sharing=sharing, steps=6)) for sharing in ("tied", "per_step"))
    assert sum(p.numel() for p in own.parameters()) == 6 * sum(p.numel() for p in tied.parameters())
    torch.testing.assert_close(tied.rollout(waves()), own.rollout(waves()), rtol=0, atol=1e-14)


def test_free_begins_at_the_stencil_and_leaves_it():
    free, conv = generate(learned(), "free"), generate(learned())
    torch.testing.assert_close(free.rollout(waves()), conv.rollout(waves()), rtol=0, atol=1e-12)
    with torch.no_grad():
        free.kernels += 0.1
    assert (free.rollout(waves()) - conv.rollout(waves())).abs().max() > 1e-3


# ---- order, conservation, boundaries


def test_heat_is_of_second_order_in_space_and_strang_in_time():
    errors = []
    for size in (16, 32, 64):
        axis = RING.model_copy(update={"size": size})
        network = generate(spec((Diffusion(target="u"),), axes=(axis,), scheme="strang", dt=0.1))
        x = torch.arange(size, dtype=torch.float64) * axis.spacing
        wave = torch.sin(2 * x)
        errors.append(float((network.rollout(wave[None, None], 5)[0, -1, 0] - math.exp(-2) * wave).abs().max()))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.06)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.02)
    ends = []
    for parts in (4, 8, 16, 256):
        network = generate(spec((TERMS[0], TERMS[2]), scheme="strang", dt=1.0 / parts))
        ends.append(network.rollout(waves(), parts)[:, -1])
    errors = [float((end - ends[-1]).abs().max()) for end in ends[:3]]
    assert math.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("accuracy", [2, 4, 6, 8])
def test_stencils_have_the_order_they_claim(accuracy):
    errors = []
    for size in (16, 32):
        axis = RING.model_copy(update={"size": size})
        network = generate(spec(TERMS[:2], axes=(axis,), accuracy=accuracy))
        x = torch.arange(size, dtype=torch.float64) * axis.spacing
        exact = -0.02 * torch.sin(x) - 0.5 * torch.cos(x)
        step = (network(torch.sin(x)[None, None])[0, 0] - torch.sin(x)) / 5e-4
        errors.append(float((step - exact).abs().max()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(accuracy, abs=0.2)


def test_flux_form_and_diffusion_keep_the_sum_and_a_constant_stays():
    terms, _ = CLASSICAL["Burgers in flux form"]
    rolled = generate(spec(terms)).rollout(waves())
    assert (rolled.sum(-1) - waves().sum(-1)[:, None]).abs().max() < 1e-12
    for boundary in ("periodic", "neumann"):
        axis = RING.model_copy(update={"boundary": boundary})
        flat = torch.full((1, 1, N), 0.7, dtype=torch.float64)
        rolled = generate(spec(TERMS[:2], axes=(axis,), accuracy=4)).rollout(flat)
        assert (rolled - 0.7).abs().max() < 1e-13


def test_a_diffusivity_that_varies_keeps_the_sum_and_is_that_of_a_constant_where_it_is_one():
    varies = spec((TERMS[0],), (FieldCoefficient(name="D", start=0.02, lower=0.0, upper=1.0, smoothness=1.0),))
    network = generate(varies)
    torch.testing.assert_close(
        network.rollout(waves()), generate(spec((TERMS[0],))).rollout(waves()), rtol=0, atol=1e-12
    )
    network.values.assign({"D": 0.02 + 0.01 * torch.sin(torch.arange(N))})
    rolled = network.rollout(waves())
    assert (rolled.sum(-1) - waves().sum(-1)[:, None]).abs().max() < 1e-12
    assert (rolled - generate(spec((TERMS[0],))).rollout(waves())).abs().max() > 1e-5
    assert float(network.roughness().detach()) > 0
    assert network.coefficients()["D"].value.shape == (N,)


def test_non_local_terms_mixing_and_networks_as_coefficients():
    terms = (
        NonLocal(target="u", of="v", length=0.5),
        Mix(target="v", of="u", coefficient="c"),
        Reaction(target="u", formula="u", coefficient="g"),
    )
    network = generate(
        spec(terms, (Constant(name="c", value=0.5), NetCoefficient(name="g", start=0.2, lower=0.0, upper=1.0)),
             fields=("u", "v"), dt=0.01),
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    x = torch.arange(N, dtype=torch.float64) * DX
    state = torch.stack((torch.zeros_like(x), torch.sin(x)))[None]
    step = (network(state) - state) / 0.01
    damped = math.exp(-(0.5**2) / 2)  # the transform of a Gaussian at wave number 1
    assert (step[0, 0] - damped * torch.sin(x)).abs().max() < 1e-6
    assert step[0, 1].abs().max() == 0
    network.rollout(state, 3).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_numbers_given_with_the_samples_are_read_and_asked_for():
    terms = (Diffusion(target="u", factor="nu"), Reaction(target="u", formula="k*u"))
    network = generate(spec(terms, (Given(name="nu", lower=0.0, upper=0.1), Given(name="k", lower=-1.0, upper=1.0))))
    state = waves(2)
    nu, k = torch.tensor([0.02, 0.05]), torch.tensor([0.3, -0.3])
    found = network(state, parameters={"nu": nu, "k": k})
    u = state.numpy()
    expected = u + 5e-4 * (nu.numpy()[:, None, None] * lap(u) + k.numpy()[:, None, None] * u)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)
    with pytest.raises(UserError, match="'k' comes with every sample"):
        network(state, parameters={"nu": nu})


# ---- stability


@torch.no_grad()
def test_the_predicted_largest_step_is_where_it_blows_up():
    for terms in ((TERMS[0],), (TERMS[0], Advection(target="u", axis="x", coefficient="c", scheme="upwind"))):
        limit = generate(spec(terms)).stability_report().largest_dt
        shape = torch.randn(1, 1, N, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        below = generate(spec(terms, dt=0.98 * limit)).rollout(shape, 600)
        assert below[:, -1].abs().max() <= shape.abs().max()
        report = generate(spec(terms, dt=0.98 * limit)).stability_report()
        assert report.is_stable
        assert report.is_monotone
        step = 1.02 * limit
        kernel = generate(spec(terms))
        state = shape
        for _ in range(600):  # 1.04**600 is 1e10
            state = state + step * kernel.rate(state, kernel.moment(0.0, 0, None, None), None)
        assert state.abs().max() > 1e6


def test_an_explicit_step_that_is_too_long_is_refused_with_the_largest_stable_one():
    with pytest.raises(UserError, match=r"at most 1\.71") as caught:
        generate(spec((TERMS[0],), dt=2.0))
    assert pytest.approx(1.7135, abs=1e-3) == DX**2 / (2 * 0.02)
    assert "Raise substeps to 2" in str(caught.value) and "take imex" in str(caught.value)
    generate(spec((TERMS[0],), dt=2.0, substeps=2))
    generate(spec((TERMS[0],), dt=2.0, scheme="imex"))
    central = spec((Advection(target="u", axis="x", coefficient="c"),))
    with pytest.raises(UserError, match="upwind"):
        generate(central)
    for scheme in ("explicit", "imex"):  # against transport an implicit diffusion is no remedy
        upwind = spec((Advection(target="u", axis="x", coefficient="c", scheme="upwind"),), dt=2.0, scheme=scheme)
        with pytest.raises(UserError, match=r"at most 0\.\d+, the largest stable dt.*Raise substeps") as caught:
            generate(upwind)
        assert "take imex" not in str(caught.value)


def test_no_weights_can_break_the_step():
    """Bounds share what the step allows: at any parameters the CFL numbers sum to 1 at most."""
    upwind = Advection(target="u", axis="x", coefficient="c", scheme="upwind")
    network = generate(spec(
        (TERMS[0], upwind), (Trainable(name="D", start=0.01), Trainable(name="c")), dt=0.5))  # fmt: skip
    shape = torch.randn(1, 1, N, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for size in (1.0, 30.0, 1e4):
        with torch.no_grad():
            for weight in network.parameters():
                weight.fill_(size)
        assert sum(network.stability_report().numbers.values()) <= 1 + 1e-9
        assert network.rollout(shape, 300).abs().max() <= shape.abs().max() * (1 + 1e-12)


def stable(block, **more):
    grown = {"steps": 400, "sharing": "per_step"} | more
    return generate(
        spec((TERMS[0],), **grown), "stable", block=block, generator=torch.Generator().manual_seed(3)
    ).double()


@pytest.mark.parametrize("boundary", ["periodic", "zero"])
@torch.no_grad()
def test_the_parabolic_form_never_expands_at_depth_400(boundary):
    axis = RING.model_copy(update={"boundary": boundary})
    network = stable("parabolic", axes=(axis,))
    with torch.no_grad():
        network.raw_steps += 20.0  # at the very limit
        network.kernels *= 30.0
    first, second = waves(2, seed=1), waves(2, seed=2)
    rolled = network.rollout(torch.cat((first, second)))
    apart = (rolled[:2] - rolled[2:]).flatten(2).norm(dim=2)
    before = (first - second).flatten(1).norm(dim=1)
    assert (apart[:, 0] <= before * (1 + 1e-12)).all()
    assert (apart.diff(dim=1) <= 1e-12).all()


@pytest.mark.parametrize("block", ["parabolic", "hamiltonian", "leapfrog"])
@torch.no_grad()
def test_stable_forms_do_not_blow_up_at_depth_400(block):
    network, state = stable(block), waves()
    assert network.rollout(state).abs().max() < 3 * state.abs().max()
    assert network.stability_report().is_stable


@torch.no_grad()
def test_the_same_blocks_with_the_other_sign_blow_up():
    """What the form is for: u + h Kᵀσ(Ku) at depth 400 grows without limit."""
    network, state = stable("parabolic", substeps=1), waves()
    wide = torch.cat((state, state.new_zeros(4, 15, N)), 1)
    sizes = network.step_sizes()
    for index in range(400):
        wide = wide + sizes[index] * network.force(index, wide)
    assert wide.abs().max() > 20 * state.abs().max()


@torch.no_grad()
def test_schur_s_bound_is_one():
    network = stable("parabolic", steps=3)
    for index, bound in enumerate(network.norms().tolist()):
        basis = torch.eye(16 * N, dtype=torch.float64).view(-1, 16, N)
        matrix = network.convolved(basis, network.kernels[index]).flatten(1)
        assert float(torch.linalg.matrix_norm(matrix.detach(), 2)) ** 2 <= bound


# ---- learning


def test_the_pseudo_inverse_finds_coefficients_to_rounding():
    for scheme in ("explicit", "imex"):
        network = generate(learned(scheme=scheme))
        states = torch.cat((waves()[:, None], generate(spec(scheme=scheme)).rollout(waves())), 1)
        found = dict(
            zip(trainable_numbers(network), solve_columns(regression_rows(network, states)).tolist(), strict=True)
        )
        assert network.values.assign(found) == ()
        for name, value in TRUE.items():
            assert abs(float(network.coefficients()[name].value) / value - 1) < 1e-10
        assert (network.rollout(waves()) - states[:, 1:]).abs().max() < 1e-12
    assert network.coefficients()["D"].units == "m2 s-1"
    assert network.coefficients()["c"].units == "m s-1"
    assert network.coefficients()["r"].units == "s-1"


def test_the_adjoint_is_autograd_and_central_differences():
    network, weight = (
        generate(learned(steps=23)),
        torch.randn(4, 23, 1, N, generator=torch.Generator().manual_seed(4), dtype=torch.float64),
    )

    def gradient(rollout):
        state = waves().requires_grad_()
        for p in network.parameters():
            p.grad = None
        (rollout(state) * weight).sum().backward()
        return [state.grad, *(p.grad.clone() for p in network.parameters())]

    plain = gradient(lambda u: network.rollout(u, 23))
    for checkpoints in (None, 1, 5, 23):
        for a, b in zip(
            gradient(lambda u, c=checkpoints: adjoint_rollout(network, u, 23, checkpoints=c)), plain, strict=True
        ):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    raw = network.values.free["D"]
    sides = []
    for sign in (1, -1):
        with torch.no_grad():
            raw += sign * 1e-4
            sides.append(float((network.rollout(waves(), 23) * weight).sum()))
            raw -= sign * 1e-4
    assert float(plain[1]) == pytest.approx((sides[0] - sides[1]) / 2e-4, rel=1e-6)


def test_the_adjoint_keeps_the_square_root_of_the_steps():
    network, kept = generate(learned()), []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        adjoint_rollout(network, waves(), 400)
    assert len(kept) <= 22 + 3


# ---- statements, text, files


def statement(periodic=True):
    x, t, D, c, r = sympy.symbols("x t D c r")
    u = sympy.Function("u")(x, t)
    return Statement(
        domain=Domain((Coordinate("x", 0.0, 2 * math.pi, periodic=periodic), Coordinate("t", 0.0, 1.0)), time="t"),
        fields=("u",),
        equations=(sympy.Eq(u.diff(t), D * u.diff(x, 2) - c * u.diff(x) + r * u * (1 - u)),),
        conditions=(*initial("u", sympy.cos(x)), *(() if periodic else neumann("u", "x"))),
        parameters={"D": 0.02, "c": 0.5},
        unknowns=(Unknown("r", 3.0),),
    )


def test_a_statement_gives_the_same_network_and_a_network_its_equation():
    found = NPDESpec.from_statement(statement(), (N,), dt=5e-4, trainable=("D",))
    network = generate(found)
    assert set(network.coefficients()) == {"D", "r"}
    assert network.coefficients()["D"].lower == 0.0
    torch.testing.assert_close(network.rollout(waves(), 40), generate(spec()).rollout(waves(), 40), rtol=0, atol=1e-12)
    (equation,) = network.to_sympy().values()
    x, t = sympy.symbols("x t")
    u = sympy.Function("u")(x, t)
    expected = 0.02 * u.diff(x, 2) - 0.5 * u.diff(x) + 3.0 * u * (1 - u)
    rest = sympy.expand(equation.rhs - expected)
    assert all(abs(float(number)) < 1e-12 for number in rest.as_coefficients_dict().values()) or rest == 0
    assert NPDESpec.model_validate_json(found.model_dump_json()) == found
    assert hash(found) == hash(NPDESpec.model_validate_json(found.model_dump_json()))
    assert NPDESpec.from_statement(statement(False), (N,), dt=5e-4).axes[0].boundary == "neumann"


def test_schroedinger_s_statement_is_a_unitary_network():
    """As a statement has it, in real and imaginary part; Crank-Nicolson is the same rotation then."""
    x, t = sympy.symbols("x t")
    a, b = (sympy.Function(name)(x, t) for name in "ab")
    well = (x - 3) ** 2 / 10
    posed = Statement(
        domain=Domain((Coordinate("x", 0.0, 2 * math.pi, periodic=True), Coordinate("t", 0.0, 1.0)), time="t"),
        fields=("a", "b"),
        equations=(a.diff(t) + b.diff(x, 2) / 2 - well * b, b.diff(t) - a.diff(x, 2) / 2 + well * a),
        conditions=(*initial("a", sympy.exp(sympy.cos(x))), *initial("b", 0)),
    )
    network = generate(NPDESpec.from_statement(posed, (N,), dt=1e-2, scheme="crank_nicolson"))
    known = generate(spec((KINETIC, WELL), scheme="crank_nicolson", **PSI)).rollout(packet(), 20)
    found = network.rollout(torch.view_as_real(packet()).movedim(-1, 2)[:, 0], 20)
    torch.testing.assert_close(torch.complex(found[:, :, 0], found[:, :, 1]), known[:, :, 0], rtol=0, atol=1e-12)
    with pytest.raises(UserError, match="at most 0"):
        generate(NPDESpec.from_statement(posed, (N,), dt=1e-2))


def test_statements_of_problems_become_networks():
    from sciml.core import registry

    heat = registry.problem("heat")
    network = generate(NPDESpec.from_statement(heat.statement(heat.cases[0]), (32,), dt=1e-4))
    assert network.spec.axes[0].boundary == "dirichlet"
    burgers = registry.problem("burgers")
    network = generate(
        NPDESpec.from_statement(burgers.statement("smooth"), (64,), dt=1e-3, advection="flux", trainable=("nu",))
    )
    assert network.coefficients()["nu"].value.item() == pytest.approx(0.1 / math.pi, rel=1e-5)
    points = -1 + (torch.arange(64, dtype=torch.float64) + 0.5) / 32
    found = network.rollout(-torch.sin(math.pi * points)[None, None], 500)[0, -1, 0]
    where = torch.stack((points, torch.full_like(points, 0.5)), 1)
    exact = burgers.reference(where, "smooth")[:, 0]
    assert (found - exact).norm() / exact.norm() < 0.01


def test_terms_are_read_from_text():
    terms, coefficients = read_terms(["lap(u)", "v: u*v_x", "v: nu*v_xx"], ("u", "v"), ("y", "x"), ("nu",))
    assert [entry.name for entry in coefficients] == ["c_u_lap_u", "c_v_lap_u", "c_v_u_v_x", "c_v_nu_v_xx"]
    assert terms[2] == Advection(target="v", of="v", axis="x", velocity="u", coefficient="c_v_u_v_x", scale=-1.0)
    assert terms[3].factor == "nu"
    assert len(library(("u",), ("x",))) == 5
    for text, words in (
        ("u_x*v_x", "no place"), ("u_xxx", "unknown name"), ("w: u", "field"), ("u*u_xx", "no place"), ("u +", "parse"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=words):
            read_terms([text], ("u", "v"), ("x",))
    with pytest.raises(UserError, match="twice"):
        read_terms(["u", "u"], ("u",), ("x",))
    (line,) = as_text(generate(spec()).to_sympy())
    assert line == "u_t = 3.0*u*(1 - u) - 0.5*u_x + 0.02*u_xx"


def test_what_multiplies_a_laplacian_stands_in_the_equation():
    terms, coefficients = read_terms(["lap(u)", "nu*lap(u)"], ("u",), ("x",), ("nu",))
    given = Given(name="nu", lower=0.1, upper=0.2)
    values = {"c_u_lap_u": torch.tensor(0.5), "c_u_nu_lap_u": torch.tensor(2.0)}
    built = spec(terms, (*coefficients, given), scheme="strang")
    assert as_text(equations_of(built, values)) == ("u_t = 2.0*nu*u_xx + 0.5*u_xx",)


@pytest.mark.parametrize(
    ("words", "build"),
    [
        ("negative", lambda: spec((Diffusion(target="u", scale=-1.0, coefficient="D"),))),
        ("negative", lambda: spec((TERMS[0],), (Trainable(name="D", start=0.1, lower=-1.0),))),
        ("unknown field", lambda: spec((Mix(target="u", of="w"),))),
        ("unknown coefficient", lambda: spec((Diffusion(target="u", coefficient="E"),))),
        ("unknown name", lambda: spec((Reaction(target="u", formula="u*w"),))),
        ("no step is stable", lambda: spec((KINETIC,), **PSI)),
        ("factor i", lambda: spec((Diffusion(target="u", imaginary=True),))),
        ("real network", lambda: generate(spec((KINETIC,), scheme="split_step", **PSI), "mlp")),
        ("real network", lambda: generate(spec((KINETIC,), scheme="split_step", **PSI), "stable")),
        ("real kernels", lambda: generate(spec((KINETIC,), scheme="split_step", **PSI), "free")),
        ("complex state", lambda: generate(spec())(packet())),
        ("another shape", lambda: generate(spec())(waves(size=12))),
        ("same weights at every step", lambda: generate(spec(TERMS[:2], sharing="per_step"), "rnn")),
        ("no place for this term", lambda: generate(spec(CLASSICAL["Burgers in flux form"][0]), "mlp")),
        ("linear equations", lambda: generate(spec(scheme="crank_nicolson"))),
        ("unknown form", lambda: generate(spec(), "cnn")),
        ("trainable", lambda: regression_rows(generate(spec()), torch.stack((waves(), waves()), 1))),
        ("one frame", lambda: regression_rows(generate(learned()), waves()[:, None])),
    ],
)
def test_what_makes_no_network_is_refused_in_words(words, build):
    with pytest.raises(UserError, match=words):
        build()


def test_files_give_the_network_back(tmp_path):
    network = generate(learned())
    network.values.assign(TRUE)
    path = models.save(network, tmp_path / "fisher.safetensors")
    again = models.load(path)
    assert torch.equal(again.rollout(waves()), network.rollout(waves()))


def test_conditions_with_values_have_no_padding():
    x, t = sympy.symbols("x t")
    u = sympy.Function("u")(x, t)
    posed = Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("t", 0.0, 1.0)), time="t"), fields=("u",),
        equations=(u.diff(t) - u.diff(x, 2),), conditions=(*initial("u", 1), *dirichlet("u", "x", 1)),
    )  # fmt: skip
    with pytest.raises(UserError, match="no counterpart in a padding"):
        NPDESpec.from_statement(posed, (N,), dt=1e-4)


@pytest.mark.parametrize("form", ["conv", "mlp", "rnn", "free", "stable"])
def test_a_rollout_takes_at_least_one_step(form):
    network = generate(spec(), form)
    for steps in (0, -1):
        with pytest.raises(UserError, match=f"at least one step, and a whole number of them; got steps={steps}"):
            network.rollout(waves().to(torch.float32 if form == "stable" else torch.float64), steps)


def test_the_stable_form_says_that_it_is_in_another_precision():
    network = generate(spec(), "stable")
    with pytest.raises(UserError, match=r"precision.*float64.*expected torch\.float32.*network\.double\(\)"):
        network.rollout(waves(), 2)
    assert network.double().rollout(waves(), 2).dtype == torch.float64


def test_inputs_are_those_of_the_specification_at_every_step():
    driven = generate(spec((Source(target="u", channel=0),), inputs=1), "conv")
    with pytest.raises(UserError, match=r"inputs for every step; got \(4, 3, 1\); expected \(batch, 5, 1\)"):
        driven.rollout(waves(), 5, inputs=torch.ones(4, 3, 1, dtype=torch.float64))
    with pytest.raises(UserError, match=r"not those of the specification; got \(4, 2\); expected \(batch, 1\)"):
        driven.rollout(waves(), 3, inputs=torch.ones(4, 3, 2, dtype=torch.float64))


def test_a_term_that_diffuses_backwards_is_refused_whatever_its_sign_is_written_on():
    """-u_xx with a coefficient that stays positive amplifies, unless a fourth derivative damps it."""
    axes = (SpecAxis(name="x", size=N),)
    for texts in (["-u_xx"], ["u_x", "-lap(u)"]):
        terms, coefficients = read_terms(texts, ("u",), ("x",))
        with pytest.raises(UserError, match="diffusion of 'u' is negative"):
            NPDESpec(axes=axes, terms=terms, coefficients=coefficients, dt=1e-3)
    terms, coefficients = read_terms(["u*u_x", "-u_xx", "-u_xxxx"], ("u",), ("x",))
    generate(NPDESpec(axes=axes, terms=terms, coefficients=coefficients, dt=1e-3, scheme="strang"))
