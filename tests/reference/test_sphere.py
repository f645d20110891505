"""Shallow water on the sphere: the standard cases, exact waves, budgets, another solver's answer."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from sciml.core.errors import UserError
from sciml.core.status import Status
from sciml.reference import (
    EARTH_GRAVITY,
    EARTH_RADIUS,
    EARTH_ROTATION,
    ETDRK4,
    IFRK4,
    SemiImplicitRK3,
    SphereFlow,
    SphericalHarmonics,
    evolve_sphere,
    integrate,
    rk4,
)

DAY = 86400.0
A, OMEGA, G = EARTH_RADIUS, EARTH_ROTATION, EARTH_GRAVITY


def transform(top):
    latitudes = -(-(3 * top + 1) // 4) * 2
    return SphericalHarmonics(top, latitudes, 2 * latitudes)


def solid_rotation(on, alpha=0.0, speed=2 * math.pi * A / (12 * DAY), level=2.94e4 / G):
    """Williamson's flow along circles about an axis tilted by α: its steady fields, and the Coriolis parameter."""
    phi, lam = on.latitude[:, None], on.longitude
    u = speed * (torch.cos(phi) * math.cos(alpha) + torch.cos(lam) * torch.sin(phi) * math.sin(alpha))
    v = -speed * torch.sin(lam) * math.sin(alpha) + 0 * phi
    along = torch.sin(phi) * math.cos(alpha) - torch.cos(lam) * torch.cos(phi) * math.sin(alpha)
    return torch.stack([level - (A * OMEGA * speed + speed**2 / 2) / G * along**2, u, v]), 2 * OMEGA * along


def rossby_haurwitz(on, w=7.848e-6, r=4, level=8e3):
    """Williamson's case 6, equations (140) to (149)."""
    phi, lam = on.latitude[:, None], on.longitude
    c, s = torch.cos(phi), torch.sin(phi)
    u = A * w * (c + c ** (r - 1) * (r * s**2 - c**2) * torch.cos(r * lam))
    v = -A * w * r * c ** (r - 1) * s * torch.sin(r * lam)
    first = w / 2 * (2 * OMEGA + w) * c**2
    first = first + w**2 / 4 * c ** (2 * r) * ((r + 1) * c**2 + (2 * r**2 - r - 2) - 2 * r**2 / c**2)
    second = 2 * (OMEGA + w) * w / ((r + 1) * (r + 2)) * c**r * ((r**2 + 2 * r + 2) - (r + 1) ** 2 * c**2)
    third = w**2 / 4 * c ** (2 * r) * ((r + 1) * c**2 - (r + 2))
    return torch.stack(
        [level + A**2 / G * (first + second * torch.cos(r * lam) + third * torch.cos(2 * r * lam)), u, v]
    )


def mountain(on):
    """The cone of Williamson's case 5, 2000 m high and 20 degrees in radius."""
    lam, phi = on.longitude - 3 * math.pi / 2, on.latitude[:, None] - math.pi / 6
    return 2000 * (1 - (lam**2 + phi**2).sqrt() / (math.pi / 9)).clamp(min=0)


def galewsky(on, bump=120.0):
    """The jet of Galewsky, Scott and Polvani in balance, with the mean depth of 10 km and a bump."""
    south, north = math.pi / 7, math.pi / 2 - math.pi / 7
    inside = (on.latitude > south) & (on.latitude < north)
    product = torch.where(inside, (on.latitude - south) * (on.latitude - north), -1.0)
    jet = torch.where(inside, 80 * torch.exp(4 / (north - south) ** 2 + 1 / product), 0.0)[:, None].expand(on.size)
    flow = SphereFlow(on, depth=torch.tensor([1e4]).double(), damping_time=7200.0)
    velocity = torch.stack([jet, torch.zeros_like(jet)])
    lam = torch.remainder(on.longitude + math.pi, 2 * math.pi) - math.pi
    phi = on.latitude[:, None]
    hill = bump * torch.cos(phi) * torch.exp(-((3 * lam) ** 2) - (15 * (math.pi / 4 - phi)) ** 2)
    depth = flow.balanced_depth(velocity[None])[0] + hill
    return flow, torch.cat([depth[None], velocity])


def run(flow, fields, times, **options):
    return evolve_sphere(flow.to_modes(fields), times, flow, **options)


def gap(a, b):
    return float((a - b).norm() / b.norm())


def mean_depth(on, *fields):
    return on.mean(torch.stack(fields)[:, 0])


def energy(on, fields, bed=0.0):
    h, u, v = fields.unbind(-3)
    return on.mean(h * (u * u + v * v) / 2 + G / 2 * ((h + bed) ** 2 - bed**2))


@pytest.mark.parametrize("alpha", [0.0, math.pi / 4, math.pi / 2])
def test_solid_rotation_is_steady(alpha):
    """Williamson's case 2, five days."""
    on = transform(10)
    fields, coriolis = solid_rotation(on, alpha)
    flow = SphereFlow(on, depth=mean_depth(on, fields), coriolis=coriolis)
    end = run(flow, fields[None], [0.0, 5 * DAY]).states[0, -1]
    assert gap(end[0], fields[0]) < 1e-14
    assert gap(end[1:], fields[1:]) < 1e-12


@cache
def half_a_day_of_a_wave():
    """By steps that treat all terms alike and are short for gravity waves."""
    on = transform(15)
    fields = rossby_haurwitz(on)[None]
    flow = SphereFlow(on, depth=on.mean(fields[:, 0]))
    solved = integrate(
        flow.tendency,
        flow.to_modes(fields),
        [0.0, DAY / 2],
        largest_step=lambda state: torch.tensor([150.0]).double(),
        is_admissible=flow.is_admissible,
        observe=flow.to_fields,
        method=rk4,
    )
    return flow, fields, solved.states[0, -1]


@pytest.mark.parametrize("method", [ETDRK4, IFRK4, SemiImplicitRK3])
def test_methods_agree_with_explicit_steps_and_have_their_order(method):
    """A Rossby-Haurwitz wave, twelve hours."""
    flow, fields, exact = half_a_day_of_a_wave()
    errors, steps = [], []
    for factor in (0.8, 0.4):
        solved = run(flow, fields, [0.0, DAY / 2], method=method, step_factor=factor)
        errors.append(gap(solved.states[0, -1, 1:], exact[1:]))
        steps.append(int(solved.stats["steps"]))
    assert errors[1] < {4: 5e-6, 3: 2e-4}[method.order]
    assert math.log(errors[0] / errors[1]) / math.log(steps[1] / steps[0]) > method.order - 0.5


def test_small_waves_on_a_planet_at_rest_have_their_frequencies():
    """Every degree swings as ``cos(sqrt(g H l (l + 1)) t/a)``, whatever the step."""
    on = transform(10)
    depth, hours = torch.tensor([4000.0, 8000.0]).double(), [0.0, 3 * 3600.0, 7 * 3600.0]
    modes = torch.randn(2, 11, 11, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    modes = 1e-6 * modes * ((on.degree >= on.degree.T) & (on.degree > 0))
    modes[..., 0] = modes[..., 0].real.to(modes)
    fields = torch.zeros(2, 3, *on.size, dtype=torch.float64)
    fields[:, 0] = depth[:, None, None] + on.inverse(modes)
    flow = SphereFlow(on, depth=depth, rotation=torch.zeros(2).double())
    solved = run(flow, fields, hours).states[:, -1, 0]
    frequency = (G * depth[:, None, None] * on.minus_laplacian).sqrt() / A
    exact = on.inverse(modes * torch.cos(frequency * hours[-1]))
    torch.testing.assert_close(solved - depth[:, None, None], exact, rtol=0, atol=1e-11)


def test_a_rossby_haurwitz_wave_runs_east_with_its_speed():
    """Williamson's case 6; without divergence wave number R has ``(R (3 + R) ω − 2 Ω)/((1 + R)(2 + R))``."""
    on = transform(21)
    fields = rossby_haurwitz(on)
    flow = SphereFlow(on, depth=mean_depth(on, fields))
    solved = run(flow, fields[None], [0.0, DAY]).states[0]
    waves = on.forward(solved[:, 1])[:, :, 4]
    turned = torch.angle((waves[1] * waves[0].conj()).sum()) / -4
    exact = (4 * 7 * 7.848e-6 - 2 * OMEGA) / 30 * DAY
    assert float(turned) == pytest.approx(exact, rel=0.08)
    others = on.forward(solved[1, 1]).abs().square().sum(0)
    assert float(others[[1, 2, 3, 5, 6, 7]].sum() / others.sum()) < 1e-20


def test_mass_energy_and_angular_momentum_are_conserved():
    on = transform(21)
    fields = torch.stack([rossby_haurwitz(on), solid_rotation(on, 0.3, level=6e3)[0]])
    flow = SphereFlow(on, depth=on.mean(fields[:, 0]))
    solved = run(flow, fields, [0.0, DAY / 4, DAY]).states
    mass, power = on.mean(solved[:, :, 0]), energy(on, solved)
    cosine = torch.cos(on.latitude)[:, None]
    spin = on.mean(solved[:, :, 0] * (solved[:, :, 1] + OMEGA * A * cosine) * cosine)
    torch.testing.assert_close(mass, mass[:, :1].expand_as(mass), rtol=1e-14, atol=0)
    torch.testing.assert_close(power, power[:, :1].expand_as(power), rtol=3e-7, atol=0)
    torch.testing.assert_close(spin, spin[:, :1].expand_as(spin), rtol=3e-7, atol=0)


def test_a_lake_at_rest_over_a_mountain_stays_at_rest():
    on = transform(15)
    bed = on.inverse(on.forward(mountain(on)))
    fields = torch.stack([5000 - bed, 0 * bed, 0 * bed])
    flow = SphereFlow(on, depth=mean_depth(on, fields), bed=bed, damping_time=7200.0)
    end = run(flow, fields[None], [0.0, DAY]).states[0, -1]
    assert float((end[0] - fields[0]).abs().max()) < 1e-8
    assert float(end[1:].abs().max()) < 1e-10


def test_twelve_hours_are_those_of_torch_harmonics():
    """Its solver takes Adams-Bashforth steps of 20 s that begin with Euler's, which is what differs."""
    stored = np.load(Path(__file__).parent / "fixtures" / "torch_harmonics_sphere.npz")
    on, begin, theirs = transform(21), *(torch.from_numpy(stored[name]) for name in ("initial", "final"))
    on = SphericalHarmonics(21, *begin.shape[1:])
    flow = SphereFlow(on, depth=mean_depth(on, begin))
    ours = run(flow, begin[None], [0.0, DAY / 2], step_factor=0.25).states[0, -1]
    assert gap(ours[0] - 6000, theirs[0] - 6000) < 5e-6
    assert gap(ours[1:], theirs[1:]) < 1e-5
    assert gap(begin[1:], theirs[1:]) > 0.5


def test_a_disturbed_wave_after_twelve_hours_is_that_of_dedalus():
    """Degrees up to 47 on both sides, with which a solution of higher degrees differs by 3e-6."""
    stored = np.load(Path(__file__).parent / "fixtures" / "dedalus_sphere.npz")
    latitude, begin, theirs = (torch.from_numpy(stored[name]) for name in ("latitude", "initial", "final"))
    on, theirs_on = transform(47), SphericalHarmonics(47, 48, 96)
    torch.testing.assert_close(theirs_on.latitude, latitude, rtol=0, atol=1e-12)
    flow = SphereFlow(on, depth=mean_depth(theirs_on, begin))
    state = flow.to_modes(begin[None], theirs_on)
    ours = evolve_sphere(
        state, [0.0, DAY / 2], flow, observe=lambda late: flow.to_fields(late, theirs_on), step_factor=0.5
    ).states[0, -1]
    mean = float(mean_depth(theirs_on, begin))
    assert gap(ours[0] - mean, theirs[0] - mean) < 2e-5
    assert gap(ours[1:], theirs[1:]) < 5e-6
    assert gap(begin[0] - mean, theirs[0] - mean) > 0.5


def test_turned_and_mirrored_planets_turn_and_mirror_their_weather():
    on = transform(15)
    flow, fields = galewsky(on)
    times, sign = [0.0, DAY / 4], torch.tensor([1.0, 1.0, -1.0]).double()[:, None, None]
    end = run(flow, fields[None], times).states[0, -1]
    turned = run(flow, fields.roll(5, -1)[None], times).states[0, -1]
    mirrored = run(flow, sign * fields.flip(-2)[None], times).states[0, -1]
    scale = torch.tensor([1e4, 80.0, 80.0]).double()[:, None, None]
    torch.testing.assert_close(turned / scale, end.roll(5, -1) / scale, rtol=0, atol=1e-11)
    torch.testing.assert_close(mirrored / scale, sign * end.flip(-2) / scale, rtol=0, atol=1e-11)


def test_rows_with_depths_and_rotations_of_their_own_do_not_influence_each_other():
    on = transform(10)
    depth, rotation = torch.tensor([4000.0, 8000.0]).double(), OMEGA * torch.tensor([0.5, 1.2]).double()
    fields = torch.stack([solid_rotation(on, 0.4, level=level)[0] for level in depth.tolist()])
    times = [0.0, DAY / 8]
    together = run(SphereFlow(on, depth=depth, rotation=rotation), fields, times).states
    for row in range(2):
        own = SphereFlow(on, depth=depth[row : row + 1], rotation=rotation[row : row + 1])
        torch.testing.assert_close(
            run(own, fields[row : row + 1], times).states[0], together[row], rtol=1e-12, atol=1e-9
        )


def test_what_cannot_be_solved_is_refused_and_a_lost_row_reported():
    on = transform(10)
    with pytest.raises(UserError, match="aliased"):
        SphereFlow(SphericalHarmonics(10, 12, 24), depth=torch.ones(1).double())
    for factor in (0.0, 3.0, float("nan")):
        with pytest.raises(UserError, match="unstable or none"):
            evolve_sphere(torch.zeros(1), [0.0, 1.0], SphereFlow(on, depth=torch.ones(1).double()), step_factor=factor)
    with pytest.raises(UserError, match="mean depth must be positive"):
        SphereFlow(on, depth=torch.tensor([1.0, 0.0]).double())
    fields = torch.stack([solid_rotation(on)[0], solid_rotation(on)[0]])
    fields[1, 0] = 1000 + 990 * torch.cos(on.latitude)[:, None] * torch.cos(on.longitude)  # runs dry
    fields[1, 1:] *= 10
    flow = SphereFlow(on, depth=on.mean(fields[:, 0]))
    solved = run(flow, fields, [0.0, DAY / 8, DAY])
    assert solved.status.tolist() == [Status.OK, Status.DIVERGED]
    assert solved.states[0].isfinite().all()
    fields[1, 0] -= 100
    with pytest.raises(UserError, match="initial depth is not positive"):
        run(flow, fields, [0.0, 1.0])


@pytest.mark.slow
def test_flow_over_a_mountain_keeps_mass_and_energy_for_fifteen_days():
    """Williamson's case 5; the surface falls behind the mountain and a train of Rossby waves follows."""
    on = transform(42)
    bed = on.inverse(on.forward(mountain(on)))
    fields, _ = solid_rotation(on, speed=20.0, level=5960.0)
    fields[0] -= bed
    flow = SphereFlow(on, depth=mean_depth(on, fields), bed=bed, damping_time=7200.0)
    solved = run(flow, fields[None], [day * DAY for day in range(0, 16, 5)])
    assert solved.status.tolist() == [Status.OK]
    mass, power = on.mean(solved.states[0, :, 0]), energy(on, solved.states[0], bed)
    torch.testing.assert_close(mass, mass[:1].expand_as(mass), rtol=1e-14, atol=0)
    torch.testing.assert_close(power, power[:1].expand_as(power), rtol=1e-5, atol=0)
    level = solved.states[0, -1, 0] + bed
    assert 5000 < float(level.min()) < 5150
    assert 5930 < float(level.max()) < 6000
    assert float(solved.states[0, -1, 2].abs().max()) > 10


@pytest.mark.slow
def test_a_barotropic_jet_becomes_unstable_as_published_and_stays_balanced_without_a_bump():
    """Galewsky's case: heights of its figure 1, vorticity of its figure 4 on day six, convergence with degree."""
    ends = []
    for top in (42, 63, 85):
        on = transform(top)
        flow, fields = galewsky(on)
        solved = run(flow, fields[None], [0.0, 4 * DAY, 6 * DAY], observe=lambda state, flow=flow: state)
        fine = flow.to_fields(solved.states[:, 1])
        ends.append(SphereFlow(transform(42), depth=flow.depth).to_modes(fine, on)[0, 0])
    vorticity = flow.vorticity(solved.states[:, 2])
    assert -1.3e-4 < float(vorticity.min()) < -0.9e-4
    assert 1.3e-4 < float(vorticity.max()) < 1.8e-4
    assert 9000 < float(fields[0].min()) < 9150
    assert float(fields[0].max()) == pytest.approx(10158, abs=130)
    assert gap(ends[1], ends[2]) < gap(ends[0], ends[2]) / 3
    flow, still = galewsky(transform(85), bump=0.0)
    assert float((run(flow, still[None], [0.0, 5 * DAY]).states[0, -1] - still).abs().max()) < 2
