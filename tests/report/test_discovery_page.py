"""The page of a discovery: figures from the arrays of a run."""

from pathlib import Path

import numpy as np
import xarray

from sciml.tasks.discovery import DISCOVERY
from sciml.train import Competitor, Predictions, RunView


def test_a_forecast_in_the_plane_is_drawn_along_its_middle():
    values = np.random.default_rng(0).random((3, 8, 6))
    dims = ("held_time", "held_y", "held_x")
    measured = xarray.Dataset(
        {
            "hidden_c": ("sample", np.zeros(4)),
            "c": ("sample", np.zeros(4)),
            "trial_c": (dims, values),
            "held_c": (dims, values),
        },
        {"held_time": [0.0, 1.0, 2.0]},
    )
    observed = {f"observed_at_{axis}": ("observation", np.zeros(5)) for axis in ("time", "y", "x")}
    details = {"components": {}, "forecast": {"relative_l2": 0.01, "ok": True}, "equations": {}}
    view = RunView(
        task="discovery",
        problem_key="plane",
        problem=None,
        competitors=(Competitor("upinn", "UPINN", {}, conclusion=details),),
        predictions=Predictions(Path("predictions.h5"), xarray.Dataset(observed), {"upinn": measured}),
    )
    (figure,) = DISCOVERY.view.show(view).files
    assert figure.name == "forecast-c"
    assert figure.svg.count("t = 1.00") == 1
    assert "In the middle of the other axes" in figure.caption
    assert "relative L2 error 1.00 %" in figure.caption
