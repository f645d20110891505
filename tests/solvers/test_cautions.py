"""What a fit cannot know is said: frequencies beyond what frames resolve."""

import math

import torch

from sciml.core.capabilities import HasDynamics, HasTrajectories
from sciml.core.problem import Field
from sciml.data import Statistics
from sciml.solvers.baselines import LinearODEConfig, LinearODESolver
from sciml.tasks.trajectories import TrajectoriesContext, TrajectoryBatch

FIELDS = (Field("a", "a", "1", "a"), Field("b", "b", "1", "b"))
ABOUT = {"name": "turn", "title": "turn", "equation": "", "fields": FIELDS, "boundary": {}, "citation": ""}
SOLVER = LinearODESolver()


class Turning(HasDynamics, HasTrajectories):
    """da/dt = -5 b, db/dt = 5 a."""

    def closures(self):
        return {}

    def dynamics(self, time, state, params, closures):
        return 5.0 * torch.stack((-state[:, 1], state[:, 0]), 1)


class Frames:
    """Ten frames of rotations by `angle` each."""

    def __init__(self, angle):
        start = torch.randn(20, 1, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        turned = angle * torch.arange(10, dtype=torch.float64)[:, None, None]
        cos, sin = turned.cos(), turned.sin()
        turns = torch.cat((torch.cat((cos, -sin), 2), torch.cat((sin, cos), 2)), 1)
        self.states = torch.einsum("tij,bsj->bti", turns, start).float()

    def __len__(self):
        return len(self.states)

    def batch(self, indices, generator):
        return TrajectoryBatch(self.states[indices], torch.arange(10.0), torch.zeros(len(indices), 0))


def _fitted(angle, problem):
    frames = Frames(angle)
    none = torch.zeros(0)
    statistics = Statistics(frames.states.mean((0, 1)), frames.states.std((0, 1)), none, none)
    context = TrajectoriesContext(statistics=statistics, dt=1.0, frames=10, time_units="s")
    module = SOLVER.build(problem, LinearODEConfig(), context)
    SOLVER.solve_closed_form(module, frames)
    return module, SOLVER.cautions(module, problem, context, frames.states[:, 0])


def test_a_rotation_seen_too_rarely_is_named():
    """Turned by 5 rad a second and seen once a second it looks like one of 2 pi - 5 = 1.283 the other way."""
    module, words = _fitted(5.0, Turning(**ABOUT))
    matrix, _, _ = module.equation()
    assert abs(float(matrix[1, 0]) + (2 * math.pi - 5)) < 1e-3
    (sentence,) = words
    assert "1.59 pi" in sentence
    assert "aliases" in sentence


def test_where_no_equation_is_stated_a_turn_near_half_a_circle_is_named():
    _, words = _fitted(0.95 * math.pi, HasTrajectories(**ABOUT))
    assert "0.95 pi" in words[0]
    assert _fitted(0.5 * math.pi, HasTrajectories(**ABOUT))[1] == ()
