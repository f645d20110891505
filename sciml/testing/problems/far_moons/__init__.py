"""The points of `near_moons`, a million units away."""

from dataclasses import replace

from sciml.testing.problems.near_moons import PROBLEM as NEAR

PROBLEM = replace(NEAR, name="far_moons", title="Two humps far from the origin", offset=1e6)
