"""The whole cost of predicting with a module."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import nn

from sciml.tools._flops import count_flops
from sciml.tools.cost._latency import measure_latencies
from sciml.tools.cost._memory import file_size, peak_memory
from sciml.tools.cost._model import Conditions, Cost, Latency

I = TypeVar("I")  # noqa: E741  # inputs of a task, as in the contracts


def measure_cost(
    module: nn.Module,
    predict: Callable[[I], object],
    inputs: I,
    *,
    batch: int,
    grid: Sequence[int] = (),
    latency: Latency | None = None,
    patience: float | None = None,
) -> Cost:
    """Parameters, FLOPs, memory, file size and latency of `predict`.

    Arguments:
        module: what predicts; gives parameters, device and precision.
        predict: makes a prediction with `module` for inputs; does the same work every time.
        inputs: on the module's device.
        batch: samples in `inputs`.
        grid: points per spatial axis of `inputs`.
        latency: from `measure_latencies`, where this module was measured beside others; measured here without.
        patience: seconds the latency may take, as for `measure_latencies`.
    """
    tensors = [*module.parameters(), *module.buffers()]
    device = tensors[0].device if tensors else torch.device("cpu")
    precisions = [tensor.dtype for tensor in tensors if tensor.is_floating_point() or tensor.is_complex()]

    def call() -> object:
        return predict(inputs)

    call()  # the first call fills caches, which is neither its work nor its memory
    flops = count_flops(call)
    return Cost(
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        flops=flops.products,
        transform_flops=flops.transforms,
        peak_memory=peak_memory(call, device),
        file_size=file_size(module),
        latency=latency or measure_latencies({"": call}, device=device, patience=patience)[""],
        conditions=Conditions(
            device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
            threads=1,
            dtype=str(precisions[0] if precisions else torch.get_default_dtype()).removeprefix("torch."),
            batch=batch,
            grid=tuple(grid),
        ),
    )


def measure_costs(
    modules: Mapping[str, nn.Module],
    predict: Callable[[nn.Module, I], object],
    inputs: I,
    *,
    batch: int,
    grid: Sequence[int] = (),
    patience: float | None = None,
) -> dict[str, Cost]:
    """The cost of several modules that answer the same question, their latencies measured side by side.

    Arguments:
        modules: by name, on one device.
        predict: makes a prediction with a module.
        inputs, batch, grid, patience: as for `measure_cost`.
    """

    def bound(module: nn.Module) -> Callable[[I], object]:
        return lambda question: predict(module, question)

    calls = {name: bound(module) for name, module in modules.items()}
    device = next((t.device for m in modules.values() for t in (*m.parameters(), *m.buffers())), torch.device("cpu"))
    latencies = measure_latencies(
        {name: functools.partial(call, inputs) for name, call in calls.items()}, device=device, patience=patience
    )
    return {
        name: measure_cost(module, calls[name], inputs, batch=batch, grid=grid, latency=latencies[name])
        for name, module in modules.items()
    }
