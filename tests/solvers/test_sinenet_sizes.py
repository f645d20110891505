"""Sizes of SineNet in closed form, and the sizes that were published."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sciml.core.errors import ConfigError
from sciml.models import SineNet
from sciml.nn import condition_of
from sciml.solvers.sinenet import SineNetConfig, SineNetSolver, count_parameters, width_for
from sciml.train import count_parameters as count_module
from sciml.train import match_parameters

PUBLISHED = {1: 2.0, 2: 1.8075, 4: 1.611, 6: 1.5, 8: 1.425}  # multiplier by number of waves
SMOKE = {"channels_in": 12, "channels_out": 3}  # history 4 of three fields


@pytest.mark.parametrize(
    ("waves", "smoke", "compressible", "sphere"),
    [
        (1, 33_788_099, 33_804_804, 33_784_643),
        (2, 35_499_989, 35_516_694, 35_496_533),
        (4, 35_493_699, 35_510_404, 35_490_243),
        (6, 35_475_499, 35_492_204, 35_472_043),
        (8, 35_490_219, 35_506_924, 35_486_763),
    ],
)
def test_published_sizes(waves, smoke, compressible, sphere):
    config = SineNetConfig(waves=waves, multiplier=PUBLISHED[waves])
    counts = [count_parameters(config, channels_in=a, channels_out=b) for a, b in ((12, 3), (40, 4), (6, 3))]
    assert counts == [smoke, compressible, sphere]


def test_the_paper_network_really_has_its_published_size():
    with torch.device("meta"):
        network = SineNet(in_channels=12, out_channels=3, size=(128, 128))
    assert count_module(network) == 35_490_219


def test_published_wave_counts_agree_in_size():
    counts = [count_parameters(SineNetConfig(waves=k, multiplier=PUBLISHED[k]), **SMOKE) for k in (2, 4, 6, 8)]
    assert max(counts) / min(counts) - 1 < 7e-4


def test_published_controls():
    wide = SineNetConfig(waves=1, width=128, multiplier=2.0)
    assert count_parameters(wide, **SMOKE) == 135_094_659
    assert count_parameters(SineNetConfig(disentangle=False), **SMOKE) == 32_831_403
    deeper = SineNetConfig(waves=1, blocks=8)
    assert count_parameters(deeper, **SMOKE) == 28_628_084


@settings(deadline=None, max_examples=30)
@given(
    waves=st.integers(0, 3),
    levels=st.integers(1, 3),
    width=st.integers(1, 7),
    multiplier=st.floats(0.3, 2.5),
    disentangle=st.booleans(),
    block_residual=st.booleans(),
    blocks=st.integers(1, 3),
    condition=st.sampled_from(("auto", "none", "add", "adagn")),
    num_parameters=st.integers(0, 2),
    fields=st.integers(1, 3),
    history=st.integers(1, 3),
)
def test_closed_form_equals_the_count_of_the_built_network(num_parameters, fields, history, **values):
    config = SineNetConfig(**values)
    scalars, conditioning = condition_of(config.condition, num_parameters)
    names = ("waves", "levels", "width", "multiplier", "blocks", "disentangle", "block_residual")
    with torch.device("meta"):
        network = SineNet(
            in_channels=history * fields,
            out_channels=fields,
            condition_channels=scalars,
            conditioning=conditioning,
            **{name: getattr(config, name) for name in names},
        )
    expected = count_parameters(
        config, channels_in=history * fields, channels_out=fields, num_parameters=num_parameters
    )
    assert count_module(network) == expected


@pytest.mark.parametrize("waves", [1, 3])
def test_disentangled_path_costs_what_the_formula_says(waves):
    with_path = SineNetConfig(waves=waves, levels=4, width=8, multiplier=1.5)
    without = with_path.model_copy(update={"disentangle": False})
    extra = count_parameters(with_path, **SMOKE) - count_parameters(without, **SMOKE)
    assert extra == 9 * 8 * sum(with_path.channels[2:]) * waves


@pytest.mark.parametrize("waves", [2, 4, 6, 8])
def test_multiplier_is_solved_for_a_size(waves):
    multiplier = width_for(35_490_219, waves, **SMOKE)
    count = count_parameters(SineNetConfig(waves=waves, multiplier=multiplier), **SMOKE)
    assert count == pytest.approx(35_490_219, rel=3e-3)
    assert multiplier == pytest.approx(PUBLISHED[waves], abs=3e-3)


def test_width_for_an_impossible_size():
    with pytest.raises(ConfigError, match=r"1 waves and width 64.*got 10; expected between"):
        width_for(10, 1, **SMOKE)


def test_size_can_be_matched_by_the_knob(problem, context, grid):
    solver = SineNetSolver()
    config, small = SineNetConfig(waves=2, levels=2, width=16), context(grid(16, 16))
    matched = match_parameters(solver, problem, config, small, 150_000)
    network = solver.network(problem, matched, small)
    assert count_module(network) == pytest.approx(150_000, rel=0.02)
