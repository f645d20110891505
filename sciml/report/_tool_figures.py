"""What tools found, as figures and pictures of a run's page."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from sciml.data import load_netcdf
from sciml.draw import Figure, Picture, Scale, bars, chart, png, side_by_side
from sciml.study import FindingsEntry, Record
from sciml.train import layout_errors


class ToolDrawings(NamedTuple):
    """What is drawn of the findings of one tool.

    Fields:
        bars: of tables with a column to be seen at a glance, by title.
        figures: lines.
        pictures: rows of pictures with their captions, by title.
    """

    bars: dict[str, Figure]
    figures: list[Figure]
    pictures: dict[str, list[tuple[str, Picture]]]

    @property
    def files(self) -> list[Figure | Picture]:
        """All of it, for the folder of figures."""
        return [*self.bars.values(), *self.figures, *(image for row in self.pictures.values() for _, image in row)]


def drawings(record: Record, predictions: Path) -> dict[str, ToolDrawings]:
    """By the key of the tool; pictures only where the file with their arrays is still there.

    Raises: DataError: the file is damaged, or lacks what the record names.
    """
    return {
        key: ToolDrawings(_bars(key, entry), _lines(key, entry), _pictures(key, entry, predictions))
        for key, entry in record.findings.items()
    }


def _bars(key: str, entry: FindingsEntry) -> dict[str, Figure]:
    figures = {}
    for number, table in enumerate(entry.tables):
        if table.bars in table.columns and table.rows:
            column = table.columns.index(table.bars)
            labels, values = [str(row[0]) for row in table.rows], [float(row[column]) for row in table.rows]
            name, what = f"{key}-{number + 1}", table.columns[0]
            figures[table.title] = bars(name, labels, values, title=table.title, quantity=table.bars, things=what)
    return figures


def _lines(key: str, entry: FindingsEntry) -> list[Figure]:
    return [
        chart(
            f"{key}-lines-{number + 1}",
            figure.lines,
            title=figure.title,
            x=figure.x,
            y=figure.y,
            points=figure.points,
            log=figure.log,
            caption=figure.caption,
        )
        for number, figure in enumerate(entry.figures)
    ]


def _pictures(key: str, entry: FindingsEntry, predictions: Path) -> dict[str, list[tuple[str, Picture]]]:
    if not entry.pictures or not predictions.is_file():
        return {}
    with (
        layout_errors(predictions),
        load_netcdf(predictions, f"tools/{key}") as data,
    ):
        rows = {
            row.title: (data[row.variable].transpose("picture", "y", "x").to_numpy(), row) for row in entry.pictures
        }
    return {
        title: [
            (caption, _painted(f"{key}-{number + 1}-{place + 1}.png", pixels, values, f"{title}: {caption}"))
            for place, (caption, pixels) in enumerate(zip(row.captions, values, strict=False))
        ]
        for number, (title, (values, row)) in enumerate(rows.items())
    }


def _painted(name: str, pixels: np.ndarray, beside: np.ndarray, words: str) -> Picture:
    """One picture on the colour scale of its row."""
    known = beside[np.isfinite(beside)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    ratio = float(np.clip(pixels.shape[0] / pixels.shape[1], 1 / 3, 3))
    return png(name, side_by_side([Scale("viridis", low, high).paint(pixels[::-1])], ratio), f"{words}.")
