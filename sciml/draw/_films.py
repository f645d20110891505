"""Rollouts that move: films which a page keeps in step, and animated files."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sciml.draw._forecasts import FieldView, Forecasts, Rollout
from sciml.draw._pictures import Picture, Scale, painted, pair_of, png, scales_of, side_by_side

_MOST_FRAMES = 60
_MOST_ROWS = 8000  # pixels of a film that every browser draws
_ACCENT, _TRACK = (0, 114, 178, 255), (128, 128, 128, 70)
_WORDS = ("reference", "prediction", "error")


@dataclass(frozen=True)
class Film:
    """One field of one sample as frames of reference, prediction and error.

    Arguments:
        field: the field.
        reels: all frames of each of the three below one another, one pixel per data point, for a page to wind.
        picture: the same as one animated file with a bar for the time.
        times: of the frames.
        ratio: height over width of a frame as it is shown.
        value_scale: of reference and prediction.
        error_scale: of the error.
    """

    field: FieldView
    reels: tuple[tuple[str, Picture], ...]
    picture: Picture
    times: tuple[str, ...]
    ratio: float
    value_scale: Scale
    error_scale: Scale


def film(forecasts: Forecasts, rollout: Rollout, sample: int, channel: int, ratio: float) -> Film:
    """The rollout from the last context frame on.

    Arguments:
        ratio: height over width of the domain.
    """
    true, pred = pair_of(forecasts, rollout, sample, channel)
    value_scale, error_scale = scales_of(true, pred)
    most = min(len(true), _MOST_FRAMES, max(2, _MOST_ROWS // true.shape[1]))
    keep = np.unique(np.linspace(0, len(true) - 1, most).round().astype(int))
    frames = [painted(true[k], pred[k], value_scale, error_scale) for k in keep]
    field = forecasts.fields[channel]
    times = tuple(f"t = {forecasts.times[forecasts.history - 1 + k]:.4g}" for k in keep)
    span = f"from {times[0]} to {times[-1]}"
    reels = []
    for words, column in zip(_WORDS, zip(*frames, strict=True), strict=True):
        reel = Image.fromarray(np.concatenate([np.ascontiguousarray(frame[::-1]) for frame in column]))
        reels.append((words, png(f"reel-{field.name}-{words}.png", reel, f"{words} of {field.label}, moving {span}")))
    shares = keep / max(1, len(true) - 1)
    stills = [_with_bar(side_by_side(f, ratio), share) for f, share in zip(frames, shares, strict=True)]
    alt = f"Animation of {field.label} {span}: reference, prediction and error side by side."
    picture = Picture(f"rollout-{field.name}.webp", _animated(stills), alt, stills[0].size)
    return Film(field, tuple(reels), picture, times, ratio, value_scale, error_scale)


def _animated(frames: list[Image.Image]) -> bytes:
    durations = [int(np.clip(4500 / len(frames), 80, 450))] * len(frames)
    durations[0] = durations[-1] = 900
    buffer = io.BytesIO()
    options = {"lossless": True, "quality": 20, "method": 0}
    frames[0].save(buffer, "webp", save_all=True, append_images=frames[1:], duration=durations, loop=0, **options)
    return buffer.getvalue()


def _with_bar(image: Image.Image, share: float) -> Image.Image:
    framed = Image.new("RGBA", (image.width, image.height + 16))
    framed.paste(image, (0, 0))
    framed.paste(_TRACK, (0, image.height + 10, image.width, image.height + 16))
    framed.paste(_ACCENT, (0, image.height + 10, max(6, round(image.width * share)), image.height + 16))
    return framed
