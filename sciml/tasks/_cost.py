"""What predicting costs: function evaluations, calls of the network, seconds."""

import statistics
import time
from typing import Any

import torch
from torch import Tensor, nn

from sciml.core.types import Prediction
from sciml.metrics import Metric
from sciml.train import AnySolver

EVALUATIONS = Metric("evaluations", "function evaluations (NFE)", cost=True, headline=True)
CALLS = Metric("calls", "network calls", cost=True)
SECONDS = Metric("prediction/seconds", "time to predict the test split", units="s", cost=True, headline=True)
COSTS = (EVALUATIONS, CALLS, SECONDS)
"""What every task measures of a prediction, as far as the solver counts it."""

REPEATS = 20
"""Timed predictions; the median is reported."""

PATIENCE, FEWEST = 5.0, 3
"""Seconds after which no further prediction is timed, and how many are in any case."""


def device_of(module: nn.Module) -> torch.device:
    """Where a module's parameters or buffers are; the CPU for one without any."""
    return next((t.device for t in (*module.parameters(), *module.buffers())), torch.device("cpu"))


def predict_on(solver: AnySolver, module: nn.Module, inputs: Any) -> Prediction:  # Any: the inputs of its task
    """Predict on the module's device and bring the answer to the CPU; `inputs` is a named tuple."""
    prediction = solver.predict(module, moved(inputs, device_of(module)))
    on_cpu = {name: value.cpu() if isinstance(value, Tensor) else value for name, value in prediction._asdict().items()}
    stats = {name: value.cpu() if isinstance(value, Tensor) else value for name, value in prediction.stats.items()}
    return Prediction(**{**on_cpu, "stats": stats})


def moved(inputs: Any, device: torch.device) -> Any:  # Any: the inputs of a task, and the same again
    """A named tuple with its tensors on `device`."""
    return type(inputs)(*(value.to(device) if isinstance(value, Tensor) else value for value in inputs))


def prediction_seconds(
    solver: AnySolver,
    module: nn.Module,
    inputs: Any,  # Any: the inputs of its task
    repeats: int = REPEATS,
) -> float:
    """Median wall time of predicting for `inputs` once, after one warm-up; transfers of the inputs are not counted."""
    device = device_of(module)
    on_device, taken = moved(inputs, device), []
    for _ in range(repeats + 1):
        if len(taken) > FEWEST and sum(taken) > PATIENCE:
            break
        started = time.perf_counter()
        solver.predict(module, on_device)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:])


def cost_of(prediction: Prediction) -> dict[str, float]:
    """``evaluations`` (mean over samples of a right-hand side's) and ``calls``, as far as the solver counts them."""
    costs = {}
    if "evaluations" in prediction.stats:
        costs["evaluations"] = float(torch.as_tensor(prediction.stats["evaluations"]).double().mean())
    if "calls" in prediction.stats:
        costs["calls"] = float(prediction.stats["calls"])
    return costs
