"""Windows over trajectories: what a forecasting network is trained on."""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from sciml.core.errors import ConfigError, DataError
from sciml.data._batch import WindowBatch
from sciml.data._dataset import Split


class Windows:
    """All admissible windows of a split, numbered; no window crosses the end of its trajectory.

    Window ``w`` belongs to one trajectory, begins at one frame and takes ``history + horizon`` frames that are `stride`
    frames apart. Numbers run over strides, then trajectories, then starts.

    Arguments:
        split: trajectories; failed ones are left out.
        history: frames given.
        horizon: frames asked for.
        strides: distances between consecutive frames of a window, in stored frames.
        rows: trajectories that are taken; None for all that succeeded.

    Raises ConfigError if a window is longer than a trajectory, DataError if no trajectory succeeded.
    """

    def __init__(
        self,
        split: Split,
        history: int,
        horizon: int,
        strides: Sequence[int] = (1,),
        *,
        rows: Int[Tensor, " row"] | None = None,
    ) -> None:
        if history < 1 or horizon < 1 or not strides or min(strides) < 1 or len(set(strides)) != len(strides):
            raise ConfigError(
                "a window is not a window",
                got=f"history {history}, horizon {horizon}, strides {list(strides)}",
                expected="history >= 1, horizon >= 1 and distinct strides >= 1",
            )
        span = (history + horizon - 1) * max(strides) + 1
        if span > split.num_frames:
            raise ConfigError(
                f"a window of history {history}, horizon {horizon}, stride {max(strides)} is longer than a trajectory",
                got=f"{span} frames",
                expected=f"at most {split.num_frames} (the frames of the preset)",
                fix="Lower history, horizon or stride, or choose a preset with more frames.",
            )
        if not len(split.good):
            raise DataError(
                f"no trajectory of split {split.name!r} succeeded", got=split.counts, expected="one at least"
            )
        self.split, self.history, self.horizon = split, history, horizon
        self._rows = split.good if rows is None else rows
        self._strides = torch.tensor(list(strides))
        self._starts = split.num_frames - (history + horizon - 1) * self._strides  # admissible starts per stride
        self._ends = torch.cumsum(self._starts * len(self._rows), 0)  # numbers at which each stride's windows end

    def __len__(self) -> int:
        return int(self._ends[-1])

    def locate(
        self, indices: Int[Tensor, " batch"]
    ) -> tuple[Int[Tensor, " batch"], Int[Tensor, " batch"], Int[Tensor, " batch"]]:
        """Trajectory number, first frame and stride of each window. Raises IndexError outside ``0 <= i < len``."""
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < len(self):
            raise IndexError(f"window indices must lie in [0, {len(self)})")
        which = torch.bucketize(indices, self._ends, right=True)
        starts = self._starts[which]
        within = indices - self._ends[which] + starts * len(self._rows)
        return self._rows[within // starts], within % starts, self._strides[which]

    def batch(self, indices: Int[Tensor, " batch"]) -> WindowBatch:
        """The windows at `indices`, gathered in one go, in physical units."""
        sample, start, stride = self.locate(indices)
        frames = self.split.read(sample, start, stride, self.history + self.horizon)
        parameters = self.split.parameters[sample]
        return WindowBatch(
            frames[:, : self.history],
            frames[:, self.history :],
            parameters,
            stride.to(frames.dtype),
            self.split.forcing(sample, start + (self.history - 1) * stride, stride, self.horizon + 1),
        )
