"""Networks generated from a PDE do not blow up where they promise not to."""

import pytest
import torch
from npde_cases import DX, RING, TERMS, N, spec, waves

from sciml.core.errors import UserError
from sciml.models.npde import (
    Advection,
    Trainable,
    generate,
)


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
