"""Checkpoints: everything a run needs to go on as if it had never stopped, and nothing that could run code.

The file is written by ``torch.save`` and read with ``weights_only=True``: tensors, numbers, strings, lists, dicts.
"""

import io
import math
import pickle
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import nn

from sciml.core import paths
from sciml.core.config import differences
from sciml.core.errors import CheckpointError

_FORMAT = 2
_PARTS = {"format", "identity", "step", "seconds", "best", "model", "rule", "average", "rng", "calls", "first"}


class Checkpoint(NamedTuple):
    """The state of a training run after `step` optimiser steps. Any: what JSON and state dicts hold.

    Fields:
        identity: what the run is (problem, solver, preset, seed, configuration, dataset hash), to refuse another's.
        step: optimiser steps taken; the sampler's position and the noise follow from it and the seed.
        seconds: training time so far.
        best: lowest validation score so far and the step it was reached at.
        model, rule, average: state dicts (`rule` is what takes the steps, `average` the EMA, None without one).
        rng: states of the global generators.
        calls: of learned right-hand sides in all steps so far.
        first: the loss of the first step.

    Any: whatever torch saves and JSON holds.
    """

    identity: dict[str, Any]
    step: int
    seconds: float
    best: list[float | int]
    model: dict[str, Any]
    rule: dict[str, Any]
    average: dict[str, Any] | None
    rng: dict[str, Any]
    calls: int = 0
    first: float = math.inf

    def save(self, path: Path) -> None:
        """Write atomically."""
        content = io.BytesIO()  # torch's own writer reports a full disk as one of its internal errors
        torch.save({"format": _FORMAT, **self._asdict()}, content)
        with paths.atomic_write(path) as temporary:
            temporary.write_bytes(content.getbuffer())

    @classmethod
    def load(cls, path: Path, identity: dict[str, Any]) -> "Checkpoint":  # Any: JSON
        """Read and check; raises CheckpointError for a file that is damaged, foreign, or of another run."""
        try:
            with warnings.catch_warnings(action="ignore"):  # torch warns of a foreign pickle before it refuses it
                content = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise CheckpointError(f"there is no checkpoint at {path}", fix="Start the run without --resume.") from None
        except pickle.UnpicklingError:
            raise CheckpointError(
                f"{path} holds Python objects, not only weights, and was not loaded",
                expected="a checkpoint written by this program",
                fix="Such a file can run code when it is opened; do not load it with other tools either.",
            ) from None
        except Exception as error:  # a damaged file can fail anywhere in the reader
            raise CheckpointError(
                f"{path} is not a readable checkpoint",
                got=str(error).splitlines()[0] if str(error) else type(error).__name__,
                fix="It may be truncated; start the run again; its finished files are kept.",
            ) from None
        if not isinstance(content, dict) or {*content, "calls", "first"} != _PARTS or content["format"] != _FORMAT:
            raise CheckpointError(f"{path} is not a checkpoint of this program's format {_FORMAT}")
        _check_identity(path, content["identity"], identity)
        return cls(**{name: content[name] for name in cls._fields if name in content})  # older ones lack the last ones


def _check_identity(path: Path, got: Any, expected: dict[str, Any]) -> None:
    if different := differences(got if isinstance(got, dict) else {}, expected):
        raise CheckpointError(
            f"{path} belongs to another run; it differs in {', '.join(different)}",
            got=", ".join(str(old) for old, _ in different.values()),
            expected=", ".join(str(new) for _, new in different.values()),
            fix="Resume with the command and settings it was started with, or start a new run.",
        )


def save_weights(module: nn.Module, path: Path) -> None:
    """Write a module's parameters and buffers as safetensors, atomically; what layers share is there once."""
    firsts = _first_names(module)
    tensors = {key: t.contiguous() for key, t in module.state_dict().items() if firsts[key] == key}
    with paths.atomic_write(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors))


def _first_names(module: nn.Module) -> dict[str, str]:
    """Of every name of a tensor the first name of the same one: layers may share parameters."""
    names: dict[int, str] = {}
    return {key: names.setdefault(id(tensor), key) for key, tensor in module.state_dict(keep_vars=True).items()}


def load_weights(module: nn.Module, path: Path) -> None:
    """Read weights into `module`; raises CheckpointError for a damaged file or one of another module."""
    try:
        weights = safetensors.torch.load_file(str(path))  # load_model refuses the joint storage of cuDNN's LSTM
        missing, unexpected = module.load_state_dict(weights, strict=False)
    except FileNotFoundError:
        raise CheckpointError(f"there are no weights at {path}", fix="Finish the run with --resume first.") from None
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is not a readable safetensors file", got=str(error)) from None
    except RuntimeError as error:  # a tensor of another shape
        raise CheckpointError(
            f"the weights in {path} do not fit this module", got=str(error).splitlines()[-1].strip()
        ) from None
    firsts = _first_names(module)
    missing = [key for key in missing if firsts[key] == key or firsts[key] in missing]
    if missing or unexpected:
        raise CheckpointError(
            f"the weights in {path} belong to another module",
            got=f"{len(unexpected)} tensors it does not have, {len(missing)} of its own missing",
            expected="the weights of the solver and configuration in the run's config.json",
        )
