"""Figures as SVG."""

import pytest

from sciml.draw import plot


@pytest.mark.parametrize("length", [10, 40])
def test_a_legend_of_many_entries_leaves_room_for_the_plot(length):
    kept = []

    def paint(axes):
        kept.append(axes)
        for i in range(10):
            axes.plot([0, 1], [0, i], label=f"{i} ".ljust(length, "x"))

    plot("many", paint, caption="", alt="")
    inches = kept[0].get_window_extent().height / kept[0].figure.dpi
    assert inches > 1.5
