"""The page of a discovery."""

import numpy as np

from sciml.report._discovery_page import _forecast


def test_a_forecast_in_the_plane_is_drawn_along_its_middle():
    field = {"name": "c", "symbol": "c", "long_name": "concentration"}
    values = np.random.default_rng(0).random((3, 1, 8, 6)).tolist()
    found = {
        "trial": {"times": [0.0, 1.0, 2.0], "true": values, "states": values},
        "arrays": {"fields": [field]},
        "forecast": {"relative_l2": 0.01},
    }
    (figure,) = _forecast(found)
    assert figure.svg.count("t = 1.00") == 1
    assert "In the middle of the other axes" in figure.caption
