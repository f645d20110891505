"""SineNet `tiny` on the flows, against persistence."""

import pytest

import sciml

SHORT = {"reaction_diffusion", "gray_scott", "schroedinger", "paraxial_beam", "kuramoto_sivashinsky_1d"}
"""Flows for which 120 steps are enough; the others have those of the recipe."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "problem",
    [
        "navier_stokes_vorticity",
        "reaction_diffusion",
        "gray_scott",
        "schroedinger",
        "paraxial_beam",
        "kuramoto_sivashinsky_1d",
        "navier_stokes_taylor_green_3d",
        "shallow_water_dam_break",
        "navier_stokes_compressible",
        "navier_stokes_smoke",
    ],
)
def test_sinenet_halves_the_error_of_persistence(problem, tmp_path):
    steps = 120 if problem in SHORT else 300
    settings = [f"train.steps={steps}", f"train.evaluate_every={steps}", 'baselines=["persistence"]']
    run = sciml.run(problem, solver="sinenet", settings=settings, out=tmp_path)
    learned, nothing = run.record.metrics["test"], run.record.baselines["persistence"].metrics["test"]
    for key in ("one_step/relative_l2", "rollout/relative_l2"):
        assert learned[key] < nothing[key] / 2, key
