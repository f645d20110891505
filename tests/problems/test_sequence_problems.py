"""The problems with sequences: labels against other solutions, physics, the same system at any sampling rate."""

import importlib
import math

import numpy as np
import pytest
import torch
from scipy.linalg import solve_banded
from scipy.optimize import brentq
from scipy.special import jn_zeros

from sciml.core import registry, rng
from sciml.core.capabilities import HasSequences
from sciml.core.errors import ConfigError
from sciml.data import read_card
from sciml.tasks.sequences import SEQUENCES, SequencesCard, SequencesConfig, sequence_splits, sequence_times

NAMES = ["damped_mode_classification", "delay_memory", "heat_rod_probe", "mass_spring_identification", "pde_probe"]


def problem_of(name):
    return registry.problem(name)


def reference(name):
    registry.problem(name)
    return importlib.import_module(f"sciml_problems.{name}.reference")


def short(name, length=24, **sizes):
    card = read_card(problem_of(name)).table("tiny", SequencesCard)
    samples = card.samples.model_copy(update={"train": 20, "valid": 10, "test": 10, **sizes})
    return card.model_copy(update={"samples": samples, "length": length})


@pytest.mark.parametrize("name", NAMES)
def test_draws_are_functions_of_the_card_and_its_checks_pass(name):
    problem, card = problem_of(name), short(name)
    assert isinstance(problem, HasSequences)
    assert problem.target in ("signal", "class")
    assert all(check.ok for check in card.checks(problem)), card.checks(problem)
    first, other = sequence_splits(problem, card), sequence_splits(problem, card.model_copy(update={"seed": 1}))
    assert not torch.equal(first["train"].signals, other["train"].signals)
    summary = card.summary(problem, "s")
    assert summary["length"] == 24
    assert set(summary["signals"]) == {field.name for field in problem.signals}
    for preset in problem.presets:
        table = read_card(problem).table(preset, SequencesCard)
        assert table.length >= 256
        assert table.cost


@pytest.mark.parametrize("name", ["delay_memory", "heat_rod_probe", "mass_spring_identification"])
def test_another_sampling_rate_shows_the_same_system(name):
    """Every second value at twice the rate is the value at this rate."""
    problem, times = problem_of(name), sequence_times(short(name))
    fine = torch.linspace(0, float(times[-1]), 2 * len(times) - 1, dtype=torch.float64)
    coarse = problem.sequences(3, times, rng.generator(0))
    finer = problem.sequences(3, fine, rng.generator(0))
    for a, b in zip(coarse, finer, strict=True):
        torch.testing.assert_close(b[:, ::2], a, rtol=1e-4, atol=1e-5)


def test_the_chain_converges_with_fourth_order_and_is_resolved():
    chain = reference("mass_spring_identification")
    tones, times = chain.random_tones(8, rng.generator(1)), 0.2 * torch.arange(60, dtype=torch.float64)
    finest = chain.positions(tones, times, 0.2 / 64)
    error = [float((chain.positions(tones, times, 0.2 / parts) - finest).norm()) for parts in (4, 8)]
    assert math.log2(error[0] / error[1]) == pytest.approx(4, abs=0.3)
    assert float((chain.positions(tones, times) - finest).norm() / finest.norm()) < 2e-5
    assert (finest[:, 0] == 0).all()


def test_the_chain_without_cubic_springs_is_the_exponential_of_its_matrix(monkeypatch):
    """Against the particular solution of every tone and the free motion that cancels it at the start."""
    chain = reference("mass_spring_identification")
    monkeypatch.setattr(chain, "CUBIC", 0.0)
    tones, times = chain.random_tones(2, rng.generator(2)), 0.2 * torch.arange(50, dtype=torch.float64)
    linear = chain.linear_part().T.to(torch.complex128)
    push = torch.zeros(8, dtype=torch.complex128)
    push[chain.MASSES] = 1 / chain.MASS
    exact = torch.zeros(2, 50, 8, dtype=torch.float64)
    for sample in range(2):
        for omega, phase, size in zip(
            2 * math.pi * tones.frequency[sample], tones.phase[sample], tones.amplitude[sample], strict=True
        ):
            forced = torch.linalg.solve(1j * omega * torch.eye(8) - linear, push) * torch.polar(size.abs(), phase)
            forced = forced * size.sign()
            moving = forced * torch.exp(1j * omega * times)[:, None]
            free = torch.linalg.matrix_exp(times[:, None, None] * linear) @ forced
            exact[sample] += (moving - free).imag
    solved = chain.positions(tones, times)
    torch.testing.assert_close(solved, exact[:, :, : chain.MASSES], rtol=1e-4, atol=1e-5)


def test_stiffening_springs_answer_less_than_in_proportion():
    chain = reference("mass_spring_identification")
    tones, times = chain.random_tones(4, rng.generator(3)), 0.2 * torch.arange(100, dtype=torch.float64)
    louder = tones._replace(amplitude=10 * tones.amplitude)
    ratio = chain.positions(louder, times).square().mean().sqrt() / chain.positions(tones, times).square().mean().sqrt()
    assert 2 < float(ratio) < 9


def test_the_rod_against_finite_differences():
    """Crank-Nicolson on 200 cells, second order in both: within a thousandth of the size."""
    rod = reference("heat_rod_probe")
    tones, cells, steps = rod.random_tones(1, rng.generator(4)), 201, 2000
    times = torch.linspace(0, 200, steps + 1, dtype=torch.float64)
    end, r = tones.end(times)[0].numpy(), rod.DIFFUSIVITY / (rod.LENGTH / cells) ** 2 * 0.1 / 2
    # nodes 0 … cells; the end is node 0, the last node mirrors its neighbour
    state, probe = np.zeros(cells), [0.0]
    bands = np.zeros((3, cells))
    bands[0, 1:], bands[1], bands[2, :-1] = -r, 1 + 2 * r, -r
    bands[2, -2] = -2 * r
    for k in range(steps):
        padded = np.concatenate(([end[k]], state, [state[-2]]))
        right = state + r * (padded[2:] - 2 * state + padded[:-2])
        right[0] += r * end[k + 1]
        state = solve_banded((1, 1), bands, right)
        probe.append(state[2 * cells // 3 - 1])
    exact = tones.probe(times)[0].numpy()
    assert np.sqrt(np.mean((exact - probe) ** 2) / np.mean(exact**2)) < 1e-3


def test_the_rod_starts_in_equilibrium_and_obeys_its_end():
    rod = reference("heat_rod_probe")
    tones, times = rod.random_tones(5, rng.generator(5)), torch.linspace(0, 300, 50, dtype=torch.float64)
    torch.testing.assert_close(tones.probe(times, 0.0), tones.end(times), rtol=1e-9, atol=1e-9)
    assert (tones.probe(times)[:, 0].abs() < 1e-3).all()
    assert (tones.probe(torch.tensor([0.5], dtype=torch.float64)).abs() < 1e-5).all()  # heat is on its way


def test_the_echo_is_the_noise_of_before():
    problem, delay = problem_of("delay_memory"), reference("delay_memory").DELAY
    times = torch.arange(512, dtype=torch.float64) * delay / 200
    signals, targets = problem.sequences(4, times, rng.generator(6))
    torch.testing.assert_close(targets[:, 201:], signals[:, 1:-200], rtol=1e-9, atol=1e-9)
    assert (targets[:, :199] == 0).all()
    assert float(signals.var()) == pytest.approx(1, abs=0.15)


def test_frequency_ratios_of_the_bodies():
    """Roots of their frequency equations, not rounded copies of them."""
    ratios = reference("damped_mode_classification").RATIOS
    zeros = np.array([jn_zeros(order, 1)[0] for order in range(3)])
    np.testing.assert_allclose(ratios["membrane"], zeros / zeros[0], atol=6e-5)

    def roots(sign, starts):
        return np.array([brentq(lambda k: math.cos(k) - sign / math.cosh(k), k - 0.6, k + 0.6) for k in starts]) ** 2

    free, clamped = roots(1, (4.7, 7.9, 11.0)), roots(-1, (1.9, 4.7, 7.9))
    np.testing.assert_allclose(ratios["bar"], free / free[0], atol=6e-5)
    np.testing.assert_allclose(ratios["reed"], clamped / clamped[0], atol=6e-5)


def test_the_sound_of_a_blow(monkeypatch):
    """Silence before it, lines at the ratios of the body, a falling pitch where it should, noise of its size."""
    bodies = reference("damped_mode_classification")
    times = torch.arange(4096, dtype=torch.float64) / 1000
    labels = torch.arange(10)
    noisy = bodies.records(labels, times, rng.generator(7))
    monkeypatch.setattr(bodies, "NOISE", 0.0)
    clean = bodies.records(labels, times, rng.generator(7))
    assert float((noisy - clean).std()) == pytest.approx(0.2, rel=0.02)
    monkeypatch.setattr(bodies, "FUNDAMENTAL", (2.0, 2.0))
    monkeypatch.setattr(bodies, "START", (0.5, 0.5))
    clean = bodies.records(labels, times, rng.generator(7))
    assert (clean[:, :500] == 0).all()
    assert (clean[:, 501:700].abs().amax(1) > 0.1).all()
    late = torch.fft.rfft(clean[:, 500:] * torch.hann_window(3596, dtype=torch.float64), n=2**16).abs()
    frequencies = torch.fft.rfftfreq(2**16, 1e-3)
    for label in range(0, 10, 2):
        for ratio in list(bodies.RATIOS.values())[label // 2]:
            near = (frequencies - 2 * ratio).abs() < 0.4
            peak = frequencies[near][late[label][near].argmax()]
            assert float(peak) == pytest.approx(2 * ratio, abs=0.12)
    monkeypatch.setattr(bodies, "RATIOS", dict.fromkeys(bodies.RATIOS, (1.0, 1.0, 1.0)))
    steady, falling = bodies.records(torch.tensor([0, 1]), times, rng.generator(8))[:, 500:]
    crossings = [(s[:-1] * s[1:] < 0).nonzero().flatten().double().diff() for s in (steady, falling)]
    assert float(crossings[0].std()) < 1
    assert float(crossings[1][0]) / float(crossings[1][-1]) == pytest.approx(1 / 1.12, abs=0.03)


def test_classes_are_equally_frequent():
    problem = problem_of("damped_mode_classification")
    _, labels = problem.sequences(200, torch.linspace(0, 1, 16, dtype=torch.float64), rng.generator(9))
    assert torch.bincount(labels).tolist() == [20] * 10


def test_faulty_sequences_and_strides_are_refused(monkeypatch):
    problem = problem_of("delay_memory")
    with pytest.raises(ConfigError, match="stride"):
        SEQUENCES.prepare(problem, "tiny", SequencesConfig(strides=(600,)))
    drawn = problem.sequences(20, sequence_times(short("delay_memory")), rng.generator(0))
    monkeypatch.setattr(type(problem), "sequences", lambda self, count, times, generator: drawn._replace(
        targets=drawn.targets[:, 1:]))  # fmt: skip
    failed = short("delay_memory").checks(problem)
    assert [check.ok for check in failed] == [False]
    assert "targets of shape" in failed[0].detail


def test_the_film_is_integrated_with_its_order_and_is_the_equation():
    """Convergence of the probes, and u_t + u u_x + u_xx + u_xxxx = 0 by central differences in time.

    The stiff modes cost part of an order: slopes are 3.5 to 3.6 from a quarter to 1/32, rising.
    """
    film = reference("pde_probe")
    state = film.on_attractor(3, rng.generator(1))
    finest = film.probes(state, 1.0, 5, 1 / 64)
    error = [float((film.probes(state, 1.0, 5, 1 / parts) - finest).norm()) for parts in (8, 16)]
    assert 3.3 < math.log2(error[0] / error[1]) < 4.2
    fine = film.probes(state, 0.5, 20, 1 / 64)
    assert float((film.probes(state, 0.5, 20) - fine).norm() / fine.norm()) < 1e-3
    h = 1e-3
    step = film.stepper(h)
    middle = step.step(state)
    after = step.step(middle)
    k = 2j * math.pi / film.LENGTH * torch.arange(film.POINTS // 2 + 1)
    fields = [torch.fft.irfft(k**n * middle, n=film.POINTS) for n in (0, 1, 2, 4)]
    rate = torch.fft.irfft((after - state) / (2 * h), n=film.POINTS)
    residual = rate + fields[0] * fields[1] + fields[2] + fields[3]
    assert float(residual.norm() / rate.norm()) < 2e-3
    assert 1.0 < float(torch.fft.irfft(state, n=film.POINTS).std()) < 1.6


def test_the_forecast_is_the_first_probe_later():
    problem, film = problem_of("pde_probe"), reference("pde_probe")
    drawn = problem.sequences(2, sequence_times(short("pde_probe", 20)), rng.generator(0))
    shift = round(film.AHEAD / 0.5)
    torch.testing.assert_close(drawn.targets[:, :-shift, 0], drawn.signals[:, shift:, 0])


def test_no_digit_is_in_two_splits_and_they_are_those_of_the_pictures():
    problem, card = problem_of("sequential_digits"), short("sequential_digits", 64, train=900, valid=300, test=597)
    splits = sequence_splits(problem, card)
    assert all(check.ok for check in card.checks(problem)), card.checks(problem)
    labels, pictures = problem_of("digits").samples()[::-1]
    every = torch.cat([split.signals[..., 0] for split in splits.values()])
    assert sorted(map(tuple, every.tolist())) == sorted(map(tuple, pictures.flatten(1).tolist()))
    with pytest.raises(ConfigError, match="more sequences than there are"):
        sequence_splits(problem, short("sequential_digits", 64, train=1000, valid=300, test=598))
    seen = {tuple(row): label for row, label in zip(pictures.flatten(1).tolist(), labels.tolist(), strict=True)}
    test = splits["test"]
    assert all(seen[tuple(row)] == label for row, label in zip(test.signals[..., 0].tolist(), test.targets.tolist(),
                                                               strict=True))  # fmt: skip


@pytest.mark.parametrize(
    ("name", "possible", "ends"),
    [
        ("combustor_pressure", (0, math.inf), ("least",)),
        ("combustor_pressure_forecast", (0, math.inf), ("least",)),
        ("sequential_digits", (0, 1), ()),
    ],
)
def test_signals_have_the_bounds_of_what_they_are(name, possible, ends):
    (signal,) = registry.problem(name).signals
    assert (signal.possible, signal.open) == (possible, ends)
