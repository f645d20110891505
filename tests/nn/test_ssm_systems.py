"""State-space systems: HiPPO matrices, discretisation, kernels, against closed forms and an ODE solver."""

import math

import jaxtyping
import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.special import eval_legendre

from sciml.core.errors import UserError
from sciml.nn.ssm import (
    Discrete,
    NormalLowRankStateSpace,
    StructuredMatrix,
    causal_convolution,
    diagonal_kernel,
    discretise,
    hippo,
    hippo_bands,
    interval_means,
    krylov,
    krylov_factors,
    krylov_kernel,
    nplr,
    nplr_kernel,
    recurrence,
    solve_tridiagonal,
    spectral_radius,
)

KINDS = ("legs", "legt", "lagt")
DOUBLE = torch.float64


def decay(dt, method="zoh"):
    """x' = -x + u."""
    return discretise(
        torch.tensor([[-1.0]], dtype=DOUBLE), torch.ones(1, dtype=DOUBLE), torch.tensor(dt, dtype=DOUBLE), method
    )


def convolved(system, signal):
    return causal_convolution(signal, krylov(system, signal.shape[-1])).T


@pytest.mark.parametrize("view", ["recurrence", "convolution"])
def test_a_step_into_first_order_decay_and_another_sampling_rate(view):
    """x' = -x + u from rest with u = 1: x_k = 1 - exp(-k dt), exactly, under zero-order hold."""

    def response(dt, length):
        signal = torch.ones(length, dtype=DOUBLE)
        system = decay(dt)
        states = recurrence(system, signal, torch.zeros(1, dtype=DOUBLE))
        return (states if view == "recurrence" else convolved(system, signal))[:, 0]

    fine, coarse = response(0.1, 6), response(0.2, 3)
    np.testing.assert_allclose(fine[:4], [0.095163, 0.181269, 0.259182, 0.329680], atol=5e-7)
    np.testing.assert_allclose(coarse, [0.181269, 0.329680, 0.451188], atol=5e-7)
    np.testing.assert_allclose(coarse, fine[1::2], atol=1e-14)


def test_both_views_of_that_decay_agree_in_single_precision():
    signal = torch.randn(1024, generator=torch.Generator().manual_seed(0))
    for dt in (0.1, 0.2):
        system = Discrete(*(tensor.float() for tensor in decay(dt)))
        difference = convolved(system, signal) - recurrence(system, signal, torch.zeros(1))
        assert float(difference.abs().max()) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dt", [1e-3, 1e-2, 1e-1])
def test_recurrence_is_convolution(kind, dt):
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(1024, generator=generator, dtype=DOUBLE)
    size = 128 if dt == 1e-2 else 32
    matrix, drive = hippo(kind, size)
    for dtype, tolerance in ((DOUBLE, 1e-12), (torch.float32, 2e-5)):
        system = discretise(matrix.to(dtype), drive.to(dtype), torch.tensor(dt, dtype=dtype))
        stepped = recurrence(system, signal.to(dtype), torch.zeros(size, dtype=dtype))
        error = (convolved(system, signal.to(dtype)) - stepped).abs().max() / stepped.abs().max()
        assert float(error) < tolerance


@pytest.mark.parametrize("kind", KINDS)
def test_the_bilinear_transform_is_stable_at_every_step_and_the_explicit_one_is_not(kind):
    matrix, drive = hippo(kind, 48)
    steps = torch.logspace(-4, 3, 15, dtype=DOUBLE)
    for method in ("bilinear", "backward_euler"):
        assert (spectral_radius(discretise(matrix, drive, steps, method).matrix) < 1).all()
    assert float(spectral_radius(discretise(matrix, drive, torch.tensor(10.0, dtype=DOUBLE), "euler").matrix)) > 1


def test_order_of_convergence_with_means_and_with_samples():
    """α = 1/2 is second order where u_k is the mean over a step, and first order with the sample at its end."""
    matrix, drive = (t.numpy() for t in hippo("legs", 4))

    def u(t):
        return np.sin(3 * t) + t

    exact = solve_ivp(lambda t, x: matrix @ x + drive * u(t), (0, 1), np.zeros(4), "Radau", rtol=1e-11, atol=1e-13)

    def error(steps, alpha, means):
        times = torch.arange(1, steps + 1, dtype=DOUBLE) / steps
        signal = torch.from_numpy(u(times.numpy()))
        signal = interval_means(signal, torch.zeros((), dtype=DOUBLE)) if means else signal
        system = discretise(*hippo("legs", 4), torch.tensor(1 / steps, dtype=DOUBLE), alpha)
        return float(
            (recurrence(system, signal, torch.zeros(4, dtype=DOUBLE))[-1] - torch.from_numpy(exact.y[:, -1])).norm()
        )

    def order(alpha, means):
        return math.log2(error(400, alpha, means) / error(800, alpha, means))

    assert order(0.5, True) == pytest.approx(2, abs=0.05)
    for alpha, means in ((0.0, True), (1.0, True), (0.0, False), (0.5, False), (1.0, False)):
        assert order(alpha, means) == pytest.approx(1, abs=0.1), (alpha, means)


def test_zero_order_hold_is_exact_for_a_held_input():
    """Against the exponential over many small steps; and for a singular A, where A⁻¹ would be no use."""
    matrix = torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=DOUBLE)  # a mass: x'' = u
    system = discretise(matrix, torch.tensor([0.0, 1.0], dtype=DOUBLE), torch.tensor(0.5, dtype=DOUBLE), "zoh")
    states = recurrence(system, torch.ones(4, dtype=DOUBLE), torch.zeros(2, dtype=DOUBLE))
    times = 0.5 * torch.arange(1, 5, dtype=DOUBLE)
    torch.testing.assert_close(states, torch.stack((times**2 / 2, times), dim=1), rtol=1e-13, atol=1e-13)


def test_legs_impulse_response_is_a_legendre_polynomial_of_warped_time():
    """(e^{tA} B)_n = e^{-t} √(2n+1) P_n(2 e^{-t} - 1)."""
    matrix, drive = hippo("legs", 16)
    n = np.arange(16)
    for t in (0.1, 0.5, 1.0, 3.0):
        expected = np.exp(-t) * np.sqrt(2 * n + 1) * eval_legendre(n, 2 * np.exp(-t) - 1)
        np.testing.assert_allclose(torch.linalg.matrix_exp(t * matrix) @ drive, expected, atol=1e-10)


def test_the_sliding_window_is_reconstructed_from_its_coefficients():
    """LegT, N = 32: Σ x_n √(2n+1) P_n(2s - 1) is the last unit of time of two tones, s = 1 now."""
    dt, size = 1e-4, 32

    def tones(t):
        return np.sin(2 * np.pi * 1.3 * t) + 0.5 * np.cos(2 * np.pi * 2.7 * t)

    times = dt * np.arange(1, 20_001)
    system = discretise(*hippo("legt", size), torch.tensor(dt, dtype=DOUBLE))
    state = krylov(system, len(times)) @ torch.from_numpy(tones(times)).flip(0)
    s, n = np.linspace(0, 1, 201), np.arange(size)
    rebuilt = (np.sqrt(2 * n + 1) * eval_legendre(n, 2 * s[:, None] - 1)) @ state.numpy()
    assert np.sqrt(np.mean((rebuilt - tones(times[-1] - 1 + s)) ** 2)) < 2e-3


def test_the_scaled_memory_holds_all_of_the_past():
    """x' = (A x + B u) / t with LegS, N = 32, over 4000 steps: both tones come back."""
    steps, size = 4000, 32
    matrix, drive = hippo("legs", size)
    u = torch.sin(2 * torch.pi * 3 * torch.arange(1, steps + 1) / steps)
    u = (u + 0.5 * torch.cos(2 * torch.pi * 7 * torch.arange(1, steps + 1) / steps)).double()
    state, identity = torch.zeros(size, dtype=DOUBLE), torch.eye(size, dtype=DOUBLE)
    for k in range(1, steps + 1):
        left, right = identity - matrix / (2 * k), identity + matrix / (2 * k)
        state = torch.linalg.solve_triangular(left, (right @ state + drive / k * u[k - 1])[:, None], upper=False)[:, 0]
    n, places = np.arange(size), (np.arange(1, steps + 1) - 0.5) / steps
    rebuilt = (np.sqrt(2 * n + 1) * eval_legendre(n, 2 * places[:, None] - 1)) @ state.numpy()
    assert np.sqrt(np.mean((rebuilt - u.numpy()) ** 2)) < 5e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, 7, 32])
def test_the_structured_form_is_the_dense_matrix(kind, size):
    matrix = StructuredMatrix(hippo_bands(kind, size)).double()
    for name, values in hippo_bands(kind, size)._asdict().items():
        getattr(matrix, name).data.copy_(values)  # not rounded to single precision on the way
    dense = hippo(kind, size)[0]
    torch.testing.assert_close(matrix.dense(), dense, rtol=1e-12, atol=1e-12)
    vector = torch.randn(3, size, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
    torch.testing.assert_close(matrix.product(vector), vector @ dense.T, rtol=1e-11, atol=1e-11)
    dt = torch.tensor(0.03, dtype=DOUBLE)
    solved = torch.linalg.solve(torch.eye(size, dtype=DOUBLE) - dt * dense, vector.T).T
    torch.testing.assert_close(matrix.shifted_solve(vector, dt), solved, rtol=1e-10, atol=1e-10)


def test_tridiagonal_solves_and_their_gradients():
    generator = torch.Generator().manual_seed(2)
    lower, upper = (torch.rand(5, generator=generator, dtype=DOUBLE, requires_grad=True) for _ in range(2))
    diagonal = (2.5 + torch.rand(6, generator=generator, dtype=DOUBLE)).requires_grad_()
    wanted = torch.randn(2, 3, 6, generator=generator, dtype=DOUBLE, requires_grad=True)
    dense = torch.diag(diagonal) + torch.diag(lower, -1) + torch.diag(upper, 1)
    torch.testing.assert_close(solve_tridiagonal(lower, diagonal, upper, wanted), wanted @ torch.linalg.inv(dense).T)
    assert torch.autograd.gradcheck(solve_tridiagonal, (lower, diagonal, upper, wanted))
    assert torch.autograd.gradcheck(solve_tridiagonal, (lower, diagonal, upper, wanted[0, 0].detach().requires_grad_()))


def test_the_gradient_of_an_implicit_step_is_the_adjoint_formula():
    """y = (I - dt A)⁻¹ x: dx = (I - dt A)⁻ᵀ dy and d(dt) = dxᵀ A y."""
    matrix = StructuredMatrix.hippo("legs", 6).double()
    generator = torch.Generator().manual_seed(3)
    vector, gradient = (torch.randn(6, generator=generator, dtype=DOUBLE) for _ in range(2))
    vector.requires_grad_()
    dt = torch.tensor(0.1, dtype=DOUBLE, requires_grad=True)
    answer = matrix.shifted_solve(vector, dt)
    by_autograd = torch.autograd.grad(answer, (vector, dt), gradient)
    dense = matrix.dense().detach()
    adjoint = torch.linalg.solve((torch.eye(6, dtype=DOUBLE) - 0.1 * dense).T, gradient)
    torch.testing.assert_close(by_autograd[0], adjoint)
    torch.testing.assert_close(by_autograd[1], adjoint @ dense @ answer.detach())


def test_normal_plus_low_rank_form_of_legs():
    form, (matrix, drive) = nplr(64), hippo("legs", 64)
    assert (form.eigenvalues.real == -0.5).all()
    low = form.low_rank
    rebuilt = form.basis @ (torch.diag(form.eigenvalues) - low[:, None] * low.conj()) @ form.basis.conj().T
    torch.testing.assert_close(rebuilt.real, matrix, rtol=1e-12, atol=1e-11)
    assert rebuilt.imag.abs().max() < 1e-11
    torch.testing.assert_close((form.basis @ form.drive).real, drive, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("length", [1, 2, 511, 512])
def test_the_kernel_of_that_form_is_the_krylov_kernel(length):
    """Odd and even lengths; at even ones the node z = -1 is a pole of the formula, not of the kernel."""
    size, dt = 64, torch.tensor(1e-2, dtype=DOUBLE)
    system = discretise(*hippo("legs", size), dt)
    output = torch.randn(size, generator=torch.Generator().manual_seed(4), dtype=DOUBLE)
    expected = output @ krylov(system, length)
    form = nplr(size)
    truncated = output @ (torch.eye(size, dtype=DOUBLE) - torch.linalg.matrix_power(system.matrix, length))
    kernel = nplr_kernel(form, truncated.to(form.basis.dtype) @ form.basis, dt, length)
    assert float((kernel - expected).norm() / expected.norm()) < 1e-12


@pytest.mark.parametrize("length", [1, 2, 3, 7, 64, 100, 513])
def test_the_factored_kernel_is_the_product_with_the_krylov_matrix(length):
    """Over batches of time steps and several outputs."""
    dt = torch.tensor([1e-3, 1e-2, 0.2], dtype=DOUBLE)
    system = discretise(*hippo("legs", 12), dt)
    output = torch.randn(3, 2, 12, generator=torch.Generator().manual_seed(7), dtype=DOUBLE)
    kernel = krylov_kernel(krylov_factors(system, length), output, length)
    assert kernel.shape == (3, 2, length)
    torch.testing.assert_close(kernel, output @ krylov(system, length), rtol=1e-11, atol=1e-12)


def test_the_diagonal_kernel_is_the_krylov_kernel_of_that_diagonal():
    """Two real components for each pair of conjugate modes."""
    lam = torch.tensor([-0.5 + 3j, -0.1 + 7j], dtype=torch.complex128)
    output = torch.tensor([1.0 - 2j, 0.3 + 1j], dtype=torch.complex128)
    blocks = [torch.tensor([[z.real, -z.imag], [z.imag, z.real]], dtype=DOUBLE) for z in lam.tolist()]
    drive = torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=DOUBLE)
    dt = torch.tensor(0.07, dtype=DOUBLE)
    states = krylov(discretise(torch.block_diag(*blocks), drive, dt, "zoh"), 300)
    modes = torch.complex(states[::2], states[1::2])
    expected = 2 * (output @ modes).real
    torch.testing.assert_close(diagonal_kernel(lam, output, dt, 300), expected, rtol=1e-11, atol=1e-12)


def test_a_gate_is_a_backward_euler_step():
    """x ← (1 - σ(z)) x + σ(z) u is backward Euler of x' = -x + u with dt = e^z."""
    z = torch.linspace(-6, 6, 25, dtype=DOUBLE)
    system = discretise(torch.tensor([[-1.0]], dtype=DOUBLE), torch.ones(1, dtype=DOUBLE), z.exp(), "backward_euler")
    torch.testing.assert_close(system.drive[:, 0], z.sigmoid(), rtol=1e-14, atol=1e-15)
    torch.testing.assert_close(system.matrix[:, 0, 0], 1 - z.sigmoid(), rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("length", [1, 2, 3, 17, 64, 1000])
def test_convolution_sees_no_future_and_no_end(length):
    generator = torch.Generator().manual_seed(5)
    signal, kernel = torch.randn(2, length, generator=generator, dtype=DOUBLE)
    expected = torch.from_numpy(np.convolve(signal, kernel)[:length])
    torch.testing.assert_close(causal_convolution(signal, kernel), expected, rtol=1e-11, atol=1e-11)
    moved = signal.clone()
    moved[length // 2] += 100
    change = (causal_convolution(moved, kernel) - causal_convolution(signal, kernel)).abs()
    assert (change[: length // 2] < 1e-11).all()


def test_half_precision_is_not_convolved():
    signal = torch.randn(3, 400, generator=torch.Generator().manual_seed(6))
    kernel = 0.99 ** torch.arange(400.0)
    with torch.autocast("cpu", torch.bfloat16):
        inside = causal_convolution(signal, kernel)
    torch.testing.assert_close(inside, causal_convolution(signal, kernel), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: hippo("legz", 4), "legs"),
        (lambda: hippo("legs", 0), "at least one component"),
        (lambda: decay(0.1, "zho"), "zoh"),
        (lambda: decay(0.1, 1.5), "0 to 1"),
        (lambda: krylov_factors(Discrete(torch.eye(2), torch.ones(2)), 0), "at least one time"),
    ],
)
def test_impossible_requests_are_refused(call, words, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users have it; else annotations refuse first
    with pytest.raises(UserError, match=words):
        call()


@pytest.mark.parametrize("shapes", [((3, 2, 1, 7), (2, 4, 7)), ((7,), (3, 7)), ((5, 8), (8,)), ((2, 6), (2, 6))])
def test_the_gradient_of_the_convolution_is_written_right(shapes):
    """First and second derivatives by finite differences, over batches and outputs; sample by sample under vmap."""
    generator = torch.Generator().manual_seed(5)
    signal, kernel = (torch.randn(s, generator=generator, dtype=DOUBLE, requires_grad=True) for s in shapes)
    assert torch.autograd.gradcheck(causal_convolution, (signal, kernel))
    assert torch.autograd.gradgradcheck(causal_convolution, (signal, kernel))


def test_the_gradient_of_the_convolution_for_every_sample():
    generator = torch.Generator().manual_seed(6)
    signals = torch.randn(4, 2, 30, generator=generator, dtype=DOUBLE)
    kernel = torch.randn(2, 30, generator=generator, dtype=DOUBLE)

    def energy(taps, signal):
        return causal_convolution(signal, taps).square().sum()

    single = torch.func.grad(energy)
    every = torch.func.vmap(single, (None, 0))(kernel, signals)
    torch.testing.assert_close(every, torch.stack([single(kernel, signal) for signal in signals]))


@pytest.mark.parametrize("length", [1, 2, 255, 256])
@pytest.mark.parametrize("dt_scale", [1.0, 1.7])
def test_the_layer_of_s4_is_the_dense_system(length, dt_scale):
    """Its kernel by Cauchy sums, that of the doubling of its dense matrix, and LegS itself in another basis."""
    torch.manual_seed(0)
    layer = NormalLowRankStateSpace(3, state=16, channels=2, dt_range=(1e-3, 1e-1)).double()
    form, (matrix, drive) = nplr(16), hippo("legs", 16)
    chosen = form.eigenvalues.imag.argsort()[8:]
    with torch.no_grad():  # the layer keeps single precision; here the numbers themselves
        layer.matrix.frequency.copy_(form.eigenvalues.imag[chosen])
        layer.matrix.log_decay.copy_((-form.eigenvalues.real[chosen]).log())
        layer.matrix.low_rank.copy_(torch.cat((form.low_rank[chosen].real, form.low_rank[chosen].imag)))
        layer.drive.copy_(torch.cat((form.drive[chosen].real, form.drive[chosen].imag)))
    basis = form.basis[:, chosen]  # LegS state = 2 Re(V s), s = Re + i Im
    real = torch.cat((2 * basis.real, -2 * basis.imag), 1)
    torch.testing.assert_close(real @ layer.matrix.dense(), matrix @ real, rtol=1e-11, atol=1e-10)
    torch.testing.assert_close(real @ layer.drive, drive, rtol=1e-11, atol=1e-11)
    with torch.no_grad():
        kernel, dense = layer.kernel(length, dt_scale), layer.output @ krylov(layer.system(dt_scale), length)
    assert float((kernel - dense).norm() / dense.norm()) < 1e-12


def test_s4_is_stable_whatever_it_learned():
    torch.manual_seed(1)
    layer = NormalLowRankStateSpace(4, state=12, dt_range=(1e-3, 10.0)).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(3 * torch.randn_like(parameter))
    assert layer.spectral_radius().max() < 1
