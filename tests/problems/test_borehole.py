"""The borehole: three resistances in series are the function of the literature, which is independent of them."""

import math

import pytest
import torch

from sciml.core import registry, rng
from sciml.data import RowsCard, read_card, row_splits

PROBLEM = registry.problem("borehole")
MIDDLE = {entry.name: torch.tensor([(entry.low + entry.high) / 2], dtype=torch.float64) for entry in PROBLEM.parameters}


def literature(p):
    """Morris, Mitchell, Ylvisaker (1993), equation 5.1."""
    log = math.log(p["influence_radius"] / p["well_radius"])
    upper = 2 * math.pi * p["upper_transmissivity"] * (p["upper_head"] - p["lower_head"])
    along = 2 * p["length"] * p["upper_transmissivity"] / (log * p["well_radius"] ** 2 * p["conductivity"])
    return upper / (log * (1 + along + p["upper_transmissivity"] / p["lower_transmissivity"]))


def test_it_is_the_function_of_the_literature():
    for i in range(20):
        drawn = PROBLEM.draw(rng.generator(i))
        flow = PROBLEM.evaluate({name: value[None] for name, value in drawn.items()})[0, 0]
        assert float(flow) == pytest.approx(
            literature({name: float(value) for name, value in drawn.items()}), rel=1e-12
        )


def test_the_flow_in_the_middle_of_the_ranges():
    """By hand: R_b = 1400 / (π 0.01 10950) = 4.070 yr/m², the others 2.2e-5 and 2.19e-2; 290 m / 4.092 = 70.9."""
    flow, velocity = PROBLEM.evaluate(MIDDLE)[0].tolist()
    assert flow == pytest.approx(70.9, abs=0.2)
    assert velocity == pytest.approx(flow / (math.pi * 0.1**2), rel=1e-12)


def test_it_vanishes_without_a_difference_of_heads_and_grows_with_the_radius():
    level = {**MIDDLE, "upper_head": MIDDLE["lower_head"]}
    assert PROBLEM.evaluate(level).tolist() == [[0.0, 0.0]]
    flows = [float(PROBLEM.evaluate({**MIDDLE, "well_radius": torch.tensor([r])})[0, 0]) for r in (0.05, 0.1, 0.15)]
    assert flows == sorted(flows)
    assert flows[2] / flows[0] == pytest.approx(9.0, rel=0.15)  # the area of the borehole, which is where it is narrow


def test_parameters_that_mean_nothing_give_nothing():
    assert PROBLEM.evaluate({**MIDDLE, "conductivity": torch.tensor([-1.0])}).isnan().all()
    assert PROBLEM.evaluate({**MIDDLE, "influence_radius": torch.tensor([0.01])}).isnan().all()


def test_its_rows_are_those_of_the_formula_and_golden():
    splits = row_splits(PROBLEM, read_card(PROBLEM).table("tiny", RowsCard))
    rows = splits["test"]
    named = dict(zip([entry.name for entry in PROBLEM.parameters], rows.parameters.unbind(1), strict=True))
    torch.testing.assert_close(PROBLEM.evaluate(named), rows.targets, rtol=1e-14, atol=0)
    golden = [120.9501570901502, 58.8162263630537, 33.20239802716278]
    assert rows.targets[:3, 0].tolist() == pytest.approx(golden, rel=1e-12)
