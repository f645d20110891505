"""Incompressible flow in a closed box against exact properties, a published cavity and another solver's answers."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from sciml.core.errors import UserError
from sciml.core.types import Axis, Grid
from sciml.reference import SemiLagrangianSmoke, StaggeredBox, integrate, ssp_rk3

FIXTURE = Path(__file__).parent / "fixtures" / "phiflow_smoke.npz"
DOUBLE = torch.float64


def box(ny, nx=None, *, extent=(1.0, 1.0), lid=0.0):
    sizes = zip(("y", "x"), (ny, nx or ny), extent, strict=True)
    return StaggeredBox(Grid(tuple(Axis(name, n, 0.0, length, "wall") for name, n, length in sizes)), lid=lid)


def random_flow(made, rows=2, seed=0):
    """Without divergence and at rest on the walls."""
    generator = torch.Generator().manual_seed(seed)
    flow = torch.randn(rows, 2, *made.size, generator=generator, dtype=DOUBLE)
    flow[:, 0, :, -1], flow[:, 1, -1] = 0, 0
    return made.project(flow)


def test_a_projection_leaves_no_divergence_and_changes_nothing_twice():
    made = box(12, 20, extent=(1.0, 3.0))
    flow = random_flow(made)
    assert made.divergence(flow).abs().max() < 1e-12
    torch.testing.assert_close(made.project(flow), flow, rtol=0, atol=1e-13)
    assert not flow[:, 0, :, -1].any()
    assert not flow[:, 1, -1].any()


def test_a_projection_takes_away_gradients_only():
    """The difference of a flow and its projection is orthogonal to every flow without divergence."""
    made = box(10, 14)
    generator = torch.Generator().manual_seed(1)
    flow = torch.randn(1, 2, 10, 14, generator=generator, dtype=DOUBLE)
    flow[:, 0, :, -1], flow[:, 1, -1] = 0, 0
    other = random_flow(made, 1, seed=2)
    assert abs(float(((flow - made.project(flow)) * other).sum())) < 1e-12


def test_advection_keeps_the_kinetic_energy():
    made = box(16, 24, extent=(1.0, 2.0))
    flow = random_flow(made)
    gain = (made.project(made.acceleration(flow, torch.zeros(2))) * flow).sum((1, 2, 3))
    assert gain.abs().max() < 1e-9 * flow.abs().max() ** 3 * flow.numel()
    damped = (made.project(made.acceleration(flow, torch.full((2,), 0.1))) * flow).sum((1, 2, 3))
    assert (damped < -1).all()


def test_viscosity_dissipates_the_energy_of_the_gradients():
    """d/dt ∫|u|²/2 = −ν ∫|∇u|², with half cells along the walls."""
    made = box(16, 12, extent=(2.0, 1.0))
    flow, (h_y, h_x) = random_flow(made, 1), made.spacing
    rate = float(
        (made.acceleration(flow, torch.ones(1)) * flow).sum() - (made.acceleration(flow, torch.zeros(1)) * flow).sum()
    )
    u, v = flow[0]
    gradients = 0.0
    for w, along, across, h_along, h_across in ((u, 1, 0, h_x, h_y), (v, 0, 1, h_y, h_x)):
        walls = torch.cat([torch.zeros_like(w.narrow(along, 0, 1)), w], dim=along)
        gradients += float((walls.diff(dim=along) / h_along).square().sum())
        gradients += float((w.diff(dim=across) / h_across).square().sum())
        ends = [w.select(across, 0), w.select(across, -1)]
        gradients += sum(2 * float((end / h_across).square().sum()) for end in ends)
    assert rate == pytest.approx(-gradients, rel=1e-12)


def test_transport_moves_mass_and_makes_no_new_extremes():
    made = box(32)
    flow = random_flow(made, 1)
    flow = flow / made.largest_rate(flow)
    smoke = torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(3), dtype=DOUBLE).round()
    start = smoke.clone()
    for _ in range(40):
        smoke = ssp_rk3(lambda s: made.transport(s, flow), smoke, torch.tensor(0.4, dtype=DOUBLE))
    assert float((smoke - start).abs().max()) > 0.5
    assert float(smoke.mean()) == pytest.approx(float(start.mean()), rel=1e-13)
    assert float(smoke.min()) > -1e-3
    assert float(smoke.max()) < 1 + 1e-3


def turning(points):
    """One turn of a smooth blob in a solid-body swirl that dies out at the walls: error against the start (L1)."""
    made = box(points)
    h = 1 / points
    edges, centres = torch.arange(1, points + 1, dtype=DOUBLE) * h, (torch.arange(points, dtype=DOUBLE) + 0.5) * h

    def psi(y, x):
        return (torch.sin(math.pi * x)[None] * torch.sin(math.pi * y)[:, None]) ** 2 / math.pi

    lower, left = torch.cat([torch.zeros(1, dtype=DOUBLE), edges]), torch.cat([torch.zeros(1, dtype=DOUBLE), edges])
    stream = psi(lower, left)
    flow = torch.zeros(1, 2, points, points, dtype=DOUBLE)
    flow[0, 0], flow[0, 1] = stream.diff(dim=0)[:, 1:] / h, -stream.diff(dim=1)[1:] / h
    assert made.divergence(flow).abs().max() < 1e-12
    smoke = torch.exp(-60 * ((centres[:, None] - 0.5) ** 2 + (centres - 0.3) ** 2))[None]

    def swirl(start, sign):
        solved = integrate(
            lambda s: made.transport(s, sign * flow), start, [0.0, 0.4], method=ssp_rk3,
            largest_step=lambda s: 0.4 / made.largest_rate(flow),
            is_admissible=lambda s: s.isfinite().flatten(1).all(1),
        )  # fmt: skip
        return solved.states[:, -1]

    return float((swirl(swirl(smoke, 1.0), -1.0) - smoke).abs().mean())


def test_smooth_smoke_returns_with_second_order():
    """There and back again; the limiter clips the maximum, which costs a little of the order."""
    errors = [turning(points) for points in (32, 64, 128)]
    orders = [math.log2(a / b) for a, b in pairwise(errors)]
    assert min(orders) > 1.7


def test_a_mirror_image_moves_like_the_mirror_of_the_motion():
    made = box(16)
    flow = random_flow(made, 1)
    smoke = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(4), dtype=DOUBLE)

    def mirrored(field):
        u = torch.zeros_like(field[:, 0])
        u[:, :, :-1] = -field[:, 0, :, :-1].flip(2)
        return torch.stack([u, field[:, 1].flip(2)], dim=1)

    nu = torch.full((1,), 0.01)
    torch.testing.assert_close(
        made.acceleration(mirrored(flow), nu), mirrored(made.acceleration(flow, nu)), rtol=0, atol=1e-9
    )
    torch.testing.assert_close(
        made.transport(smoke.flip(2), mirrored(flow)), made.transport(smoke, flow).flip(2), rtol=0, atol=1e-9
    )


def test_even_smoke_is_carried_by_the_pressure():
    """Buoyancy of even smoke is a gradient: air at rest stays at rest."""
    made = box(12)
    lift = torch.zeros(1, 2, 12, 12, dtype=DOUBLE)
    lift[:, 1] = made.on_upper_faces(torch.ones(1, 12, 12, dtype=DOUBLE))
    assert made.project(lift).abs().max() < 1e-14


GHIA_U = {0.9766: 0.84123, 0.8516: 0.23151, 0.7344: 0.00332, 0.6172: -0.13641, 0.5: -0.20581, 0.4531: -0.21090,
          0.2813: -0.15662, 0.1719: -0.10150, 0.0547: -0.03717}  # fmt: skip
"""u on the vertical centre line at Re = 100, by height."""
GHIA_V = {0.9453: -0.10313, 0.8594: -0.22445, 0.8047: -0.24533, 0.5: 0.05454, 0.2344: 0.17527, 0.1563: 0.16077,
          0.0625: 0.09233}  # fmt: skip
"""v on the horizontal centre line."""


def manufactured(made, nu, amplitude=0.3):
    """ψ = A sin²πx sin²πy, which rests on all walls, on the faces of u and v; and the force that keeps it steady."""
    pi, points = math.pi, round(1 / made.spacing[0])
    centres, faces = ((torch.arange(points, dtype=DOUBLE) + shift) / points for shift in (0.5, 1.0))

    def at(x, y):
        sx, sy, s2x, s2y = torch.sin(pi * x) ** 2, torch.sin(pi * y) ** 2, torch.sin(2 * pi * x), torch.sin(2 * pi * y)
        c2x, c2y = torch.cos(2 * pi * x), torch.cos(2 * pi * y)
        u, v = pi * sx * s2y, -pi * s2x * sy
        carried = (u * pi**2 * s2x * s2y + v * 2 * pi**2 * sx * c2y, -u * 2 * pi**2 * c2x * sy - v * pi**2 * s2x * s2y)
        spread = (2 * pi**3 * c2x * s2y - 4 * pi**3 * sx * s2y, 4 * pi**3 * s2x * sy - 2 * pi**3 * s2x * c2y)
        force = [amplitude**2 * a - nu * amplitude * b for a, b in zip(carried, spread, strict=True)]
        return (amplitude * u, amplitude * v), force

    on_u, on_v = at(faces, centres[:, None]), at(centres, faces[:, None])
    flow, push = (torch.stack([mine[0], other[1]])[None] for mine, other in zip(on_u, on_v, strict=True))
    push[:, 0, :, -1], push[:, 1, -1] = 0, 0  # nothing pushes through walls
    return flow, push


def test_a_manufactured_flow_is_kept_with_second_order():
    """∂u/∂t + u·∇u + ∇p = ν ∇²u + f from the exact flow until the error of the grid has set in."""
    nu, errors = torch.full((1,), 0.05, dtype=DOUBLE), []
    for points in (16, 32):
        made = box(points)
        exact, force = manufactured(made, 0.05)
        step = torch.full((1,), 0.15 / points**2 / 0.05, dtype=DOUBLE)
        flow = integrate(
            lambda w, made=made, force=force: made.project(made.acceleration(w, nu) + force), made.project(exact),
            [0.0, 0.5], largest_step=lambda w, step=step: step, method=ssp_rk3,
            is_admissible=lambda w: w.isfinite().flatten(1).all(1),
        ).states[:, -1]  # fmt: skip
        errors.append(float((flow - exact).square().mean().sqrt() / exact.square().mean().sqrt()))
    assert errors[1] < 0.01
    assert math.log2(errors[0] / errors[1]) > 1.8


def test_a_driven_cavity_agrees_with_published_velocities():
    """Ghia, Ghia and Shin (1982), doi:10.1016/0021-9991(82)90058-4, on a grid four times finer."""
    points = 32
    made = box(points, lid=1.0)
    nu = torch.full((1,), 0.01, dtype=DOUBLE)
    step = torch.full((1,), min(0.4 / points / 2, 0.2 / points**2 / 0.01), dtype=DOUBLE)
    flow = integrate(
        lambda w: made.project(made.acceleration(w, nu)), torch.zeros(1, 2, points, points, dtype=DOUBLE), [0.0, 14.0],
        largest_step=lambda w: step, is_admissible=lambda w: w.isfinite().flatten(1).all(1),
        method=lambda slope, w, dt: made.project(ssp_rk3(slope, w, dt)),
    ).states[0, -1]  # fmt: skip
    assert made.divergence(flow[None]).abs().max() < 1e-12
    centres = (np.arange(points) + 0.5) / points
    u = flow[0, :, points // 2 - 1].numpy()  # the face in the middle
    v = flow[1, points // 2 - 1].numpy()
    assert np.abs(np.interp(list(GHIA_U), centres, u) - list(GHIA_U.values())).max() < 0.012
    assert np.abs(np.interp(list(GHIA_V), centres, v) - list(GHIA_V.values())).max() < 0.012


def test_the_splitting_gives_the_answers_of_phiflow():
    with np.load(FIXTURE) as stored:
        known = {name: torch.from_numpy(values) for name, values in stored.items()}
    points = len(known["start"])
    grid = Grid(tuple(Axis(name, points, 0.0, 32.0, "wall") for name in ("y", "x")))
    scheme = SemiLagrangianSmoke(grid, 1.5)
    smoke, flow = known["start"][None], torch.zeros(1, 2, points, points, dtype=DOUBLE)
    buoyancy, viscosity = torch.tensor([0.5], dtype=DOUBLE), torch.tensor([0.01], dtype=DOUBLE)
    for step in range(1, 17):
        smoke, flow = scheme.step(smoke, flow, buoyancy, viscosity)
        for i in torch.nonzero(known["steps"] == step)[:, 0]:
            for mine, other in ((smoke, "smoke"), (flow[:, 0, :, :-1], "u"), (flow[:, 1, :-1], "v")):
                assert float((mine[0] - known[other][i]).norm() / known[other][i].norm()) < 1e-10
    assert abs(float(smoke.mean() / known["start"].mean()) - 1) > 0.01  # smoke is not conserved, as said


def test_other_boundaries_are_refused():
    axes = (Axis("y", 8, 0.0, 1.0, "wall"), Axis("x", 8, 0.0, 1.0, "periodic"))
    with pytest.raises(UserError, match="two axes that end at walls"):
        StaggeredBox(Grid(axes))
