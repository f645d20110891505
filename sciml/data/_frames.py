"""Two places where the states of a split may live: in memory, or in its shards until they are asked for."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import h5py
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.data._hdf5 import variable
from sciml.data._heaps import hdf5_file
from sciml.data._layout import Layout, Piece
from sciml.data._store import load_shard, open_shard

_OPEN_FILES = 128
"""Shards one process keeps open; well below the usual limit of 1024 descriptors."""


class Frames(ABC):
    """The states of the trajectories of one split."""

    @abstractmethod
    def read(
        self, sample: Int[Tensor, " batch"], start: Int[Tensor, " batch"], stride: Int[Tensor, " batch"], length: int
    ) -> Float[Tensor, "batch {length} channel *space"]:
        """Frames ``start, start + stride, ...`` (`length` of them) of the trajectory numbers in `sample`."""

    @abstractmethod
    def all(self) -> Float[Tensor, "sample time channel *space"]:
        """Every state, in memory."""


class MemoryFrames(Frames):
    """Reads all shards at once, checking their SHA-256, and gathers windows by indexing one tensor."""

    def __init__(self, layout: Layout, pieces: Iterable[Piece]) -> None:
        pieces = list(pieces)
        self._states = torch.empty(layout.state_shape(sum(piece.count for piece in pieces)), dtype=torch.float32)
        for piece in pieces:
            self._states[piece.first : piece.first + piece.count] = load_shard(layout, piece).states

    def read(
        self, sample: Int[Tensor, " batch"], start: Int[Tensor, " batch"], stride: Int[Tensor, " batch"], length: int
    ) -> Float[Tensor, "batch {length} channel *space"]:
        time = start[:, None] + stride[:, None] * torch.arange(length)
        rows = (sample[:, None] * self._states.shape[1] + time).flatten()
        return self._states.flatten(0, 1).index_select(0, rows).unflatten(0, (len(sample), length))

    def all(self) -> Float[Tensor, "sample time channel *space"]:
        return self._states


class ShardFrames(Frames):
    """Reads each window from its file, opened by this process on first use and never pickled or shared by a fork."""

    def __init__(self, layout: Layout, pieces: Iterable[Piece]) -> None:
        self._layout, self._pieces = layout, list(pieces)
        self._forget()

    def read(
        self, sample: Int[Tensor, " batch"], start: Int[Tensor, " batch"], stride: Int[Tensor, " batch"], length: int
    ) -> Float[Tensor, "batch {length} channel *space"]:
        out = np.empty((len(sample), length, len(self._layout.field_names), *self._layout.grid.size), dtype=np.float32)
        for row, (i, first, step) in enumerate(zip(sample.tolist(), start.tolist(), stride.tolist(), strict=True)):
            index, offset = divmod(i, self._layout.card.shard_size)
            for channel, values in enumerate(self._variables(index)):
                out[row, :, channel] = values[offset, first : first + (length - 1) * step + 1 : step]
        return torch.from_numpy(out)

    def all(self) -> Float[Tensor, "sample time channel *space"]:
        return MemoryFrames(self._layout, self._pieces).all()

    def _variables(self, index: int) -> list[h5py.Dataset]:
        """The fields of a shard, from a file this process opened."""
        if self._process != os.getpid():
            self._forget()
        if index not in self.open_files:
            if len(self.open_files) >= _OPEN_FILES:
                self.open_files.pop(next(iter(self.open_files)))[0].close()
            with open_shard(self._layout, self._pieces[index]):
                pass  # checked once, before the handle that stays
            file = hdf5_file(self._layout.path(self._pieces[index]))
            self.open_files[index] = file, [variable(file, name) for name in self._layout.field_names]
        return self.open_files[index][1]

    def _forget(self) -> None:
        self.open_files: dict[int, tuple[h5py.File, list[h5py.Dataset]]] = {}
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        return {"_layout": self._layout, "_pieces": self._pieces}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._layout, self._pieces = state["_layout"], state["_pieces"]
        self._forget()
