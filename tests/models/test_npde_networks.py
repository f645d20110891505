"""Networks generated from a PDE: equal to the schemes they are, and to torch's stacks."""

import math

import numpy as np
import pytest
import torch
from npde_cases import CLASSICAL, DX, KINETIC, PSI, RING, TERMS, TRUE, WELL, N, lap, learned, packet, spec, waves
from torch import nn

from sciml.core.errors import UserError
from sciml.models.npde import (
    Constant,
    Diffusion,
    FieldCoefficient,
    Given,
    Mix,
    NetCoefficient,
    NonLocal,
    Reaction,
    Source,
    SpecAxis,
    Trainable,
    adjoint_rollout,
    generate,
    regression_rows,
    trainable_numbers,
)
from sciml.train import solve_columns


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
