"""Figure primitives: arrays in, SVG and images out. They know no run, no record and no task."""

from sciml.draw._bars import bars as bars
from sciml.draw._chart import chart as chart
from sciml.draw._curves import drift as drift
from sciml.draw._curves import error_growth as error_growth
from sciml.draw._curves import finite as finite
from sciml.draw._curves import spectrum as spectrum
from sciml.draw._curves import training as training
from sciml.draw._films import Film as Film
from sciml.draw._films import film as film
from sciml.draw._forecasts import FieldView as FieldView
from sciml.draw._forecasts import Forecasts as Forecasts
from sciml.draw._forecasts import Rollout as Rollout
from sciml.draw._forecasts import sample_words as sample_words
from sciml.draw._forecasts import typical_sample as typical_sample
from sciml.draw._lines import phase_portrait as phase_portrait
from sciml.draw._lines import time_series as time_series
from sciml.draw._lines import work as work
from sciml.draw._parity import parity as parity
from sciml.draw._pictures import Panels as Panels
from sciml.draw._pictures import Picture as Picture
from sciml.draw._pictures import Scale as Scale
from sciml.draw._pictures import Strip as Strip
from sciml.draw._pictures import dots as dots
from sciml.draw._pictures import png as png
from sciml.draw._pictures import side_by_side as side_by_side
from sciml.draw._pictures import space_time as space_time
from sciml.draw._pictures import still as still
from sciml.draw._pictures import strip as strip
from sciml.draw._svg import INK as INK
from sciml.draw._svg import Figure as Figure
from sciml.draw._svg import plot as plot
from sciml.draw._svg import scale_axis as scale_axis
from sciml.draw._svg import shorten as shorten
from sciml.draw._svg import style as style
from sciml.draw._sweep import Sweep as Sweep
from sciml.draw._sweep import sweep_figures as sweep_figures
from sciml.draw._sweep import sweep_of as sweep_of
from sciml.draw._words import best_of as best_of
from sciml.draw._words import format_bytes as format_bytes
from sciml.draw._words import format_count as format_count
from sciml.draw._words import format_number as format_number
from sciml.draw._words import format_power as format_power
from sciml.draw._words import format_seconds as format_seconds

__all__ = [
    "INK",
    "FieldView",
    "Figure",
    "Film",
    "Forecasts",
    "Panels",
    "Picture",
    "Rollout",
    "Scale",
    "Strip",
    "Sweep",
    "bars",
    "best_of",
    "chart",
    "dots",
    "drift",
    "error_growth",
    "film",
    "finite",
    "format_bytes",
    "format_count",
    "format_number",
    "format_power",
    "format_seconds",
    "parity",
    "phase_portrait",
    "plot",
    "png",
    "sample_words",
    "scale_axis",
    "shorten",
    "side_by_side",
    "space_time",
    "spectrum",
    "still",
    "strip",
    "style",
    "sweep_figures",
    "sweep_of",
    "time_series",
    "training",
    "typical_sample",
    "work",
]
