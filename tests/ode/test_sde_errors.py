"""Bad input to `solve_sde`: errors that say what, got, expected and what to do."""

import math

import jaxtyping
import pytest
import torch

from sciml.core.errors import ConfigError, UnknownNameError, UserError
from sciml.ode import Brownian, solve_sde

Y0 = torch.ones(2, 3)
TIMES = torch.tensor([0.0, 0.5, 1.0])


@pytest.fixture(autouse=True)
def _as_shipped():
    """Annotations are checked in tests only; users meet the checks inside."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def call(drift=None, diffusion=None, y0=Y0, times=TIMES, **options):
    if "brownian" not in options:
        options = {"seed": 0, **options}
    return solve_sde(drift or (lambda t, y: -y), diffusion or (lambda t, y: 0.1 * y), y0, times, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"times": TIMES.flip(0)}, ("increase strictly", "1 followed by 0.5", "forward in time only")),
        ({"times": torch.tensor([0.0, 0.5, 0.5])}, ("increase strictly", "0.5 followed by 0.5 at place 2")),
        ({"times": torch.tensor([0.0, math.nan])}, ("finite", "nan")),
        ({"times": torch.tensor([0.0])}, ("at least two times", "shape (1,)")),
        ({"times": TIMES.expand(2, 3)}, ("one list for all samples", "shape (2, 3)")),
        ({"times": [0.0, 1.0]}, ("one list for all samples", "got list")),
        ({"y0": torch.ones(2, 3, dtype=torch.long)}, ("floating-point", "torch.int64")),
        ({"y0": torch.ones(2, 3, dtype=torch.complex64)}, ("floating-point", "complex64")),
        ({"y0": torch.tensor(1.0)}, ("one row per sample",)),
        ({"y0": [1.0]}, ("one row per sample", "list")),
        ({"seed": 1.5}, ("seed", "1.5", "integer")),
        ({"seed": True}, ("seed", "True")),
        ({"seed": "a"}, ("seed", "'a'")),
        ({"seed": None}, ("the noise needs a seed", "torch.Generator", "seed=0")),
        ({"calculus": "strato"}, ("calculus", "'strato'", "ito, stratonovich")),
        ({"noise": "scalar"}, ("kind of noise", "'scalar'", "diagonal, general")),
        ({"noise": "general"}, ("sosri takes independent noise", "a matrix", "euler", "heun")),
        ({"correlation": torch.eye(3)}, ("sosri takes independent noise", "correlated", "euler", "heun")),
        (
            {"correlation": torch.ones(3, 3), "method": "euler", "step": 0.1},
            ("positive definite", "shape (3, 3)", "one column"),
        ),
        ({"correlation": torch.eye(2), "method": "euler", "step": 0.1}, ("does not fit", "2 motions", "3, one per")),
        ({"noise": "general", "method": "heun", "step": 0.1}, ("diffusion returned", "(2, 3, motion)", "(2, 3)")),
        ({"args": (torch.ones(3),)}, ("one row per sample", "(3,)", "(2, ...)")),
        ({"drift": lambda t, y: y[:, :2]}, ("drift returned", "(2, 2)", "(2, 3)")),
        ({"drift": lambda t, y: y.double()}, ("drift returned", "float64", "float32")),
        ({"drift": lambda t, y: 0.0}, ("drift returned", "got float")),
        ({"diffusion": lambda t, y: y[:, :, None] * y[:, None]}, ("diffusion returned", "(2, 3, 3)", "diagonal")),
    ],
)
def test_arguments_that_do_not_fit(options, words):
    with pytest.raises(UserError) as refusal:
        call(**options)
    for word in words:
        assert word in str(refusal.value), str(refusal.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "euler"}, ("euler has no error estimate", "step=...")),
        ({"method": "srk"}, ("srk has no error estimate",)),
        ({"rtol": -1.0}, ("tolerances", "rtol=-1.0")),
        ({"rtol": 0.0, "atol": 0.0}, ("tolerances",)),
        ({"atol": math.inf}, ("tolerances", "inf")),
        ({"step": 0.0}, ("fixed step", "0.0")),
        ({"max_steps": 0}, ("max_steps",)),
        ({"backend": "torchsde", "method": "srk", "step": 0.1, "record": True}, ("torchsde does not report",)),
        ({"backend": "julia"}, ("backend", "'julia'", "torchsde")),
    ],
)
def test_settings_that_cannot_work(options, words):
    with pytest.raises(ConfigError) as refusal:
        call(**options)
    for word in words:
        assert word in str(refusal.value), str(refusal.value)


def test_unknown_methods_list_the_valid_ones():
    with pytest.raises(
        UnknownNameError, match=r"'sosir'.*euler, heun, milstein, sosri, sosri2, sriw1, srk.*Did you mean 'sosri'"
    ):
        call(method="sosir")
    with pytest.raises(UnknownNameError, match=r"torchsde method.*euler, heun, milstein, srk"):
        call(method="sosri", backend="torchsde")


def test_paths_that_do_not_fit():
    for paths in (
        Brownian([0.0, 1.0], (2, 2)),
        Brownian([0.0, 0.5], (2, 3)),
        Brownian([0.0, 1.0], (2, 3), dtype=torch.float64),
    ):
        with pytest.raises(UserError, match="Brownian paths do not fit"):
            call(brownian=paths)
