"""Fields as pixels: panels and film strips. Words around them are HTML, so they stay legible."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from sciml.draw._forecasts import FieldView, Forecasts, Rollout
from sciml.draw._words import format_number

_SIDE = 220  # pixels of a panel's longer side
_GAP = 10
_MISSING = (150, 150, 150, 255)  # a value that is not finite
_DOT = (48, 138, 200, 220)


@dataclass(frozen=True)
class Picture:
    """An image of a page.

    Arguments:
        name: file name with suffix.
        content: the encoded bytes.
        alt: what it shows.
        size: width and height in pixels.
    """

    name: str
    content: bytes
    alt: str
    size: tuple[int, int]

    @property
    def uri(self) -> str:
        """The image as a data URI."""
        kind = self.name.rpartition(".")[2]
        return f"data:image/{kind};base64,{base64.b64encode(self.content).decode()}"


@dataclass(frozen=True)
class Scale:
    """A colour scale: its map, its ends, and how the page draws it as a bar."""

    colours: str
    low: float
    high: float

    @property
    def gradient(self) -> str:
        """CSS colour stops from low to high."""
        stops = _table(self.colours)[np.linspace(0, 255, 9).astype(int)]
        return ", ".join(f"rgb({r},{g},{b})" for r, g, b in stops[:, :3])

    @property
    def ends(self) -> tuple[str, str]:
        """Both ends in words."""
        return format_number(self.low).replace("-", "−"), format_number(self.high).replace("-", "−")

    def paint(self, values: np.ndarray) -> np.ndarray:
        """Values ``row column`` as RGBA pixels; beyond the ends the colour saturates, not finite is grey."""
        span = self.high - self.low or 1.0
        with np.errstate(invalid="ignore", over="ignore"):
            index = np.clip(np.nan_to_num((values - self.low) / span, nan=0.0) * 255, 0, 255).astype(np.uint8)
        pixels = _table(self.colours)[index]
        pixels[~np.isfinite(values)] = _MISSING
        return pixels


@dataclass(frozen=True)
class Panels:
    """One field of one sample in three columns (reference, prediction, error) with its two scales."""

    field: FieldView
    picture: Picture
    value_scale: Scale
    error_scale: Scale


@dataclass(frozen=True)
class Strip:
    """One field of one sample in three rows of equally many frames."""

    field: FieldView
    rows: tuple[tuple[str, Picture], ...]
    times: tuple[str, ...]
    value_scale: Scale
    error_scale: Scale


def still(forecasts: Forecasts, rollout: Rollout, sample: int, channel: int, ratio: float, name: str) -> Panels:
    """The last frame of a rollout: reference, prediction, error."""
    true, pred = pair_of(forecasts, rollout, sample, channel)
    value_scale, error_scale = scales_of(true, pred)
    image = side_by_side(painted(true[-1], pred[-1], value_scale, error_scale), ratio)
    field = forecasts.fields[channel]
    alt = f"{field.label} at the last step, test sample {forecasts.samples[sample]}: reference, prediction, difference."
    return Panels(field, png(f"{name}-{field.name}.png", image, alt), value_scale, error_scale)


def space_time(forecasts: Forecasts, rollout: Rollout, sample: int, channel: int) -> Panels:
    """A field of one spatial axis as pictures of space (across) and time (upwards): reference, prediction, error."""
    true, pred = (states[:, 0] for states in pair_of(forecasts, rollout, sample, channel))
    value_scale, error_scale = scales_of(true, pred)
    image = side_by_side(painted(true, pred, value_scale, error_scale), 1.0)
    field = forecasts.fields[channel]
    alt = f"{field.label} over space (across) and time (upwards), test sample {forecasts.samples[sample]}."
    return Panels(field, png(f"space-time-{field.name}.png", image, alt), value_scale, error_scale)


def strip(forecasts: Forecasts, rollout: Rollout, sample: int, channel: int, ratio: float, columns: int = 6) -> Strip:
    """Frames at equal intervals of a rollout, for reading and for paper."""
    true, pred = pair_of(forecasts, rollout, sample, channel)
    value_scale, error_scale = scales_of(true, pred)
    keep = np.unique(np.linspace(0, len(true) - 1, min(len(true), columns)).round().astype(int))
    field = forecasts.fields[channel]
    rows = []
    for words, states, scale in (
        ("reference", true, value_scale),
        ("prediction", pred, value_scale),
        ("error", difference(pred, true), error_scale),
    ):
        image = side_by_side([scale.paint(states[k]) for k in keep], ratio)
        alt = f"{words} of {field.label} in {len(keep)} frames, left to right in time"
        rows.append((words, png(f"strip-{field.name}-{words}.png", image, alt)))
    times = tuple(f"t = {forecasts.times[forecasts.history - 1 + k]:.4g}" for k in keep)
    return Strip(field, tuple(rows), times, value_scale, error_scale)


@cache
def _table(name: str) -> np.ndarray:
    from matplotlib import colormaps

    return (colormaps[name](np.linspace(0, 1, 256)) * 255).round().astype(np.uint8)


def pair_of(forecasts: Forecasts, rollout: Rollout, sample: int, channel: int) -> tuple[np.ndarray, np.ndarray]:
    """Reference and prediction ``time y x`` from the last context frame, which both share; 3-D fields at mid-height."""
    start = forecasts.history - 1
    true = forecasts.truth[sample, start:, channel].astype(np.float64)
    pred = np.concatenate([true[:1], rollout.states[sample, :, channel].astype(np.float64)])
    while true.ndim > 3:
        true, pred = true[:, true.shape[1] // 2], pred[:, pred.shape[1] // 2]
    if true.ndim == 2:
        true, pred = true[:, None], pred[:, None]
    return true, pred


def scales_of(true: np.ndarray, pred: np.ndarray) -> tuple[Scale, Scale]:
    """The range of the reference (symmetric if it has both signs), and a symmetric one for the error.

    A prediction that has left the range of the reference by far does not set the error's scale: it saturates.
    """
    low, high = float(np.nanmin(true)), float(np.nanmax(true))
    if low < 0 < high and min(-low, high) > 0.15 * max(-low, high):
        reach = max(-low, high)
        values = Scale("RdBu_r", -reach, reach)
    else:
        values = Scale("cividis", low, high)
    error = np.abs(difference(pred, true))
    largest = float(error[np.isfinite(error)].max(initial=0.0))
    reach = min(largest, 2 * (high - low)) or high - low or 1.0
    return values, Scale("PuOr_r", -reach, reach)


def difference(pred: np.ndarray, true: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        return pred - true


def painted(true: np.ndarray, pred: np.ndarray, value_scale: Scale, error_scale: Scale) -> list[np.ndarray]:
    return [value_scale.paint(true), value_scale.paint(pred), error_scale.paint(difference(pred, true))]


def side_by_side(panels: Sequence[np.ndarray], ratio: float) -> Image.Image:
    """Panels in a row on a transparent ground, first axis upwards, every data point a block of pixels."""
    rows, columns = panels[0].shape[:2]
    side = max(_SIDE, rows, columns)
    width, height = (side, max(1, round(side * ratio))) if ratio <= 1 else (max(1, round(side / ratio)), side)
    row = Image.new("RGBA", (len(panels) * width + (len(panels) - 1) * _GAP, height))
    for index, pixels in enumerate(panels):
        tile = Image.fromarray(np.ascontiguousarray(pixels[::-1])).resize((width, height), Image.Resampling.NEAREST)
        row.paste(tile, (index * (width + _GAP), 0))
    return row


def dots(points: np.ndarray, box: Sequence[tuple[float, float]], ratio: float) -> Image.Image:
    """Points ``sample 2`` of a box as dots on a transparent ground, the second coordinate upwards."""
    width, height = (_SIDE, max(1, round(_SIDE * ratio))) if ratio <= 1 else (max(1, round(_SIDE / ratio)), _SIDE)
    sizes = np.array([2 * width, 2 * height])
    low, high = np.array(box).T
    with np.errstate(invalid="ignore", over="ignore"):
        place = np.floor((points - low) / (high - low) * sizes)
    inside = (np.isfinite(place) & (place >= 0) & (place < sizes - 1)).all(1)
    x, y = place[inside].astype(int).T
    pixels = np.zeros((2 * height, 2 * width, 4), np.uint8)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        pixels[2 * height - 1 - (y + i), x + j] = _DOT
    return Image.fromarray(pixels)


def png(name: str, image: Image.Image, alt: str) -> Picture:
    """An image of a page as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "png", compress_level=6)
    return Picture(name, buffer.getvalue(), alt, image.size)
