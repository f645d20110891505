"""Samples that are in two splits: what is tested was trained on."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.data._dataset import Dataset, Split

_ROWS = 256  # trajectories read at a time


def twins(splits: Mapping[str, Float[Tensor, "sample *shape"]]) -> tuple[str, ...]:
    """One sentence for every split with samples that an earlier one has bit for bit; none where all are apart.

    Arguments:
        splits: samples by name of the split, the training split first.
    """
    seen, words = dict[bytes, str](), []
    for name, samples in splits.items():
        keys = [row.tobytes() for row in samples.detach().cpu().contiguous().numpy().reshape(len(samples), -1)]
        copies = [seen[key] for key in keys if key in seen]
        for earlier in dict.fromkeys(copies):
            number = copies.count(earlier)
            words.append(
                f"{number} of {len(keys)} samples of split {name!r} are also in split {earlier!r}, bit for bit: scores "
                "on them say how well they were remembered."
            )
        seen |= {key: name for key in keys if key not in seen}
    return tuple(words)


def twin_trajectories(dataset: Dataset) -> tuple[str, ...]:
    """The same for trajectories: those with equal parameters, first and last frames."""
    return twins({name: _marks(dataset.split(name)) for name in dataset.layout.splits})


def _marks(split: Split) -> Float[Tensor, "sample number"]:
    """Parameters, first and last frame of the successful trajectories."""
    rows = []
    for chosen in split.good.split(_ROWS):
        start, stride = torch.zeros_like(chosen), torch.full_like(chosen, split.num_frames - 1)
        frames = split.read(chosen, start, stride, 2)
        rows.append(torch.cat((split.parameters[chosen], frames.flatten(1)), dim=1))
    return torch.cat(rows) if rows else torch.zeros(0, 1)
