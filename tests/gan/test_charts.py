"""Curves go through their values, on scales that any values fit."""

import pytest

from fastgan.gan import charts
from fastgan.gan.charts import line_chart, thin


def points(values):
    return list(enumerate(values, 1))


def strokes(curve):
    """The corners of a curve, x and y."""
    return [tuple(map(float, stroke[1:].split(","))) for stroke in curve.path.split()]


def test_a_curve_goes_through_its_values():
    chart = line_chart(
        "loss", {"training": points([0.1, 0.01, 0.001]), "linear predictor": points([0.01] * 3)}, log=True
    )
    loss, bar = chart.curves
    first, middle, last = strokes(loss)
    assert loss.path.count("M") == 1
    assert first[0] == charts.LEFT
    assert last[0] == charts.WIDTH - charts.RIGHT
    assert middle == pytest.approx(((first[0] + last[0]) / 2, (first[1] + last[1]) / 2), abs=0.11)
    assert {y for _, y in strokes(bar)} == {middle[1]}
    assert [label for _, label in chart.ticks_y] == ["0.001", "0.01", "0.1"]
    assert [label for _, label in chart.ticks_x] == ["1", "2", "3"]
    assert loss.dots[1] == (*middle, "epoch 2, training: 0.01")
    assert chart.alt.startswith("loss over epochs 1 to 3: training from 0.1 to 0.001; linear predictor from 0.01")


@pytest.mark.parametrize(
    "values", [[0.0], [1e-4], [1e-4] * 3, [-5.0, 5.0], [1e-30, 1e30], [1.00001, 1.00002], [0.0, 1e-9]]
)
@pytest.mark.parametrize("log", [False, True])
def test_any_range_gets_a_scale_inside_its_frame(values, log):
    chart = line_chart("a", {"a": points(values)}, log=log)
    assert 1 <= len(chart.ticks_y) <= 12
    heights = [y for y, _ in chart.ticks_y] + [y for _, y, _ in chart.curves[0].dots]
    assert all(charts.TOP - 0.1 <= y <= charts.HEIGHT - charts.BOTTOM + 0.1 for y in heights)
    assert len({label for _, label in chart.ticks_y}) == len(chart.ticks_y)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0, 1_000], ["0", "500", "1,000"]),
        ([11_000, 12_000], ["11,000", "11,500", "12,000"]),
        ([-0.1, 0.3], ["-0.1", "0", "0.1", "0.2", "0.3"]),
        ([1.00001, 1.00002], ["1.00001", "1.000015", "1.00002"]),
    ],
)
def test_labels_of_a_scale_are_true_and_short(values, labels):
    assert [label for _, label in line_chart("a", {"a": points(values)}).ticks_y] == labels


def test_missing_values_leave_a_gap():
    curve = line_chart("a", {"a": points([0.5, None, 0.25, None, None, 0.125])}).curves[0]
    assert curve.path.count("M") == 3
    assert len(curve.dots) == 3


def test_without_a_value_there_is_no_chart_and_no_curve():
    assert line_chart("a", {}) is None
    assert line_chart("a", {"a": points([None, None])}) is None
    assert [curve.label for curve in line_chart("a", {"a": points([None]), "b": points([1.0])}).curves] == ["b"]


def test_a_long_curve_is_thinned_and_keeps_its_spike():
    values = [1.0] * 5_000
    values[2_345] = 77.0
    kept = thin(points(values))
    assert len(kept) <= charts.MOST_POINTS + 1
    assert (2_346, 77.0) in kept
    curve = line_chart("a", {"a": points(values)}).curves[0]
    assert len({y for _, y in strokes(curve)}) == 2
    assert curve.dots == []
