"""Contents of blocks: the best ones of their ranks, one block after the other."""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from sciml.nn.structured._operator import Shape
from sciml.nn.structured._rectangle import Block, Rectangle, interval


def fit_rectangles(
    dense: Tensor, shape: Shape, rectangles: Sequence[Rectangle], *, sweeps: int = 12, start: Sequence[Block] = ()
) -> list[Block]:
    """Contents for which the sum of blocks is close to ``matrix row width``.

    Each step replaces a block by the best one of its rank for what the others leave, so that the error never rises.

    Arguments:
        dense: the matrices.
        shape: rows, columns and taps.
        rectangles: the blocks.
        sweeps: at most; one is enough where no two blocks overlap.
        start: contents to begin with; none for zeros.
    """
    rows = [interval(r.rows, shape.rows, 1) for r in rectangles]
    columns = [interval(r.columns, shape.columns, shape.taps) for r in rectangles]
    blocks = list(start)
    residual, error = dense.clone(), float("inf")
    for place, block in enumerate(blocks):
        residual[:, rows[place][:, None], columns[place]] -= block.dense()
    alone = not _overlap(rectangles, shape)
    for sweep in range(1 if alone else sweeps):
        for place, rectangle in enumerate(rectangles):
            here = (slice(None), rows[place][:, None], columns[place])
            target = residual[here]
            if place < len(blocks):
                target = target + blocks[place].dense()
            block = truncated(target, rectangle.rank)
            residual[here] = target - block.dense()
            if place < len(blocks):
                blocks[place] = block
            else:
                blocks.append(block)
        before, error = error, float(residual.abs().square().sum())
        if sweep and error > 0.999 * before:
            break
    return blocks


def truncated(values: Tensor, rank: int) -> Block:
    """The closest block of a rank (0: the block itself), its singular values shared evenly by both factors."""
    if not rank:
        return Block(None, values)
    left, sigma, right = torch.linalg.svd(values, full_matrices=False)
    root = sigma[:, :rank].sqrt()
    short = rank - root.shape[1]
    left, right = (left[:, :, :rank] * root[:, None]).mT, right[:, :rank] * root[:, :, None]
    if short:  # a rank that this rectangle's sides do not reach, as a component of several may have
        left, right = (torch.cat((f, f.new_zeros(len(f), short, f.shape[2])), dim=1) for f in (left, right))
    return Block(left, right)


def _overlap(rectangles: Sequence[Rectangle], shape: Shape) -> bool:
    return any(
        _meet(a.rows, b.rows, shape.rows) and _meet(a.columns, b.columns, shape.columns)
        for a, b in combinations(rectangles, 2)
    )


def _meet(a: tuple[int, int], b: tuple[int, int], size: int) -> bool:
    return (b[0] - a[0]) % size < a[1] or (a[0] - b[0]) % size < b[1]
