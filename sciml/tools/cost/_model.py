"""What predicting with a module costs."""

import pydantic

from sciml.core.config import Config


class Latency(Config):
    """Measured wall time of one prediction on one thread."""

    seconds: float = pydantic.Field(ge=0)
    """Shortest time of all repeats, in seconds."""
    spread: float = pydantic.Field(ge=0)
    """Repeat error: how much the shortest times of the two best passes differ, as a share of `seconds`. Smaller
    differences between modules mean nothing."""
    reference_seconds: float = pydantic.Field(ge=0)
    """Shortest time of a fixed matrix product measured in between, in seconds: how fast the machine was."""
    repeats: int = pydantic.Field(ge=1)
    """Timed predictions in all passes."""
    passes: int = pydantic.Field(ge=2)
    """Separate passes."""


class Conditions(Config):
    """What a cost was measured on."""

    device: str
    """Device of the module: ``cpu``, or the name of the GPU."""
    threads: int = pydantic.Field(ge=1)
    """Threads torch computes with while latency is measured."""
    dtype: str
    """Precision of the module's weights, as ``float32``."""
    batch: int = pydantic.Field(ge=1)
    """Samples predicted at once."""
    grid: tuple[int, ...]
    """Points per spatial axis; empty without space."""


class Cost(Config):
    """Cost of one prediction and of what is kept for it. Times, memory and FLOPs are of the whole batch."""

    parameters: int = pydantic.Field(ge=0)
    """Trainable numbers; one complex number kept as a pair counts two."""
    flops: int = pydantic.Field(ge=0)
    """Real multiplications and additions in matrix products and convolutions."""
    transform_flops: int = pydantic.Field(ge=0)
    """Operations of Fourier transforms, nominally 5 N log2 N of complex and half of real fields; not in `flops`."""
    peak_memory: int = pydantic.Field(ge=0)
    """Bytes allocated by torch at the height of one prediction, beyond weights and inputs."""
    file_size: int = pydantic.Field(ge=0)
    """Bytes of weights and buffers as a safetensors file."""
    latency: Latency
    """Time of one prediction."""
    conditions: Conditions
    """Where and on what this was measured."""
