"""Scales, panels and drawings of the report, as SVG and as PNG."""

import re
from xml.etree import ElementTree

import pytest

from results.report_axes import Scale, cut, digits, linear, logarithmic, panel, series
from results.report_png import to_png
from results.report_scene import SHAPES, TONES, Area, Box, Line, Mark, Scene, Words, side_by_side
from results.report_svg import to_svg
from results.report_words import brief, count, listed, number, share, signed, span


def test_ticks_are_round_and_inside():
    assert [label for _, label in Scale(low=-0.02, high=1.02).ticks(5)] == [
        *("0.00", "0.25", "0.50", "0.75", "1.00")
    ]
    assert [label for _, label in Scale(low=-0.11, high=0.06).ticks(4)] == [
        "−0.10",
        "−0.05",
        "0.00",
        "0.05",
    ]
    assert [label for _, label in Scale(low=0, high=3, whole=True).ticks(5)] == ["0", "1", "2", "3"]
    for low, high in ((0, 1e-9), (-3.3, 1e6), (0.993, 1.002)):
        ticks = Scale(low=low, high=high).ticks(5)
        assert 2 <= len(ticks) <= 7
        assert all(low <= value <= high for value, _ in ticks)


def test_decades_have_words_up_to_a_point():
    labels = [label for _, label in Scale(low=0.01, high=1e6, log=True).ticks(10)]
    assert labels == ["0.01", "0.1", "1", "10", "100", "1,000", "10,000", "10⁵", "10⁶"]
    assert len(Scale(low=1, high=1e38, log=True).ticks(5)) <= 6


def test_what_lies_outside_stays_at_the_edge():
    scale = Scale(low=0, high=10, start=100, end=0)
    assert [scale.at(value) for value in (-5, 0, 5, 99)] == [100, 100, 50, 0]
    log = Scale(low=1, high=100, start=0, end=2, log=True)
    assert [log.at(value) for value in (0, -1, 10, 1e9)] == pytest.approx([0, 0, 1, 2])


@pytest.mark.parametrize("values", [[], [0.0], [3.0, 3.0], [-1.0, -1.0], [1e-30, 1e30]])
def test_scales_over_anything_have_a_width(values):
    for scale in (linear(values), logarithmic(values)):
        assert scale.high > scale.low
        assert scale.ticks(5)


def test_digits_tell_steps_apart():
    assert [digits(step) for step in (10, 1, 0.5, 0.25, 0.1, 0.025)] == [0, 0, 1, 2, 1, 3]


def test_long_names_keep_their_ends():
    short = [cut(f"quantile_layernorm_frozen 0.{i}", 100, 11) for i in (1, 2)]
    assert short[0] != short[1]
    assert all("…" in text and len(text) <= 17 for text in short)
    assert cut("relu", 100, 11) == "relu"


def test_series_stay_apart_without_colour():
    looks = series(["b", "a", "a", "c"])
    assert list(looks) == ["a", "b", "c"]
    assert len({look.shape for look in looks.values()}) == 3


SCENE = Scene(
    width=100,
    height=50,
    title='a "title" <b>',
    items=[
        Line(points=((0, 0), (9, 9)), tone="ink", dash=3),
        Area(points=((0, 0), (9, 9), (0, 9)), tone="s1", opacity=0.2),
        Box(x=1, y=1, width=5, height=5, tone="heat", tip="box & <more>"),
        Words(x=1, y=1, text="<b>$x$ 你好", turn=-90, bold=True, anchor="end"),
        *(
            Mark(x=9, y=9, shape=shape, tone="s2", hollow=shape == "plus", tip=shape)
            for shape in SHAPES
        ),
    ],
)


def test_svg_is_whole_and_escaped_and_has_one_stop():
    root = ElementTree.fromstring(to_svg(SCENE))
    assert root.attrib["aria-label"] == 'a "title" <b>'
    assert [text.text for text in root.iter("text")] == ["<b>$x$ 你好"]
    tips = [group for group in root.iter("g") if group.attrib.get("class") == "tip"]
    assert [tip.attrib["tabindex"] for tip in tips] == ["0", *["-1"] * len(SHAPES)]
    assert tips[0].find("title").text == "box & <more>"
    assert len({tip[1].attrib.get("points") for tip in tips[1:]}) == len(SHAPES)


def test_png_of_anything():
    assert to_png(SCENE).startswith(b"\x89PNG\r\n\x1a\n")
    assert to_png(side_by_side([SCENE] * 3, columns=2)).startswith(b"\x89PNG\r\n\x1a\n")


def test_side_by_side_keeps_all_and_moves_what_follows():
    whole = side_by_side([SCENE] * 3, columns=2, gap=10)
    assert (whole.width, whole.height) == (210, 110)
    assert len(whole.items) == 3 * len(SCENE.items)
    boxes = [(item.x, item.y) for item in whole.items if isinstance(item, Box)]
    assert boxes == [(1, 1), (111, 1), (1, 61)]


def test_a_panel_holds_its_frame():
    framed = panel(
        "title", x=linear([0, 1]), y=linear([0, 1]), x_label="x", y_label="y",
        legend=list(series([f"a rather long name {i}" for i in range(9)]).values()),
    )  # fmt: skip
    assert framed.y.end < framed.y.start <= framed.scene.height
    words = [item for item in framed.scene.items if isinstance(item, Words)]
    assert all(0 <= word.y <= framed.scene.height for word in words)


def _light(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear_ = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear_[0] + 0.7152 * linear_[1] + 0.0722 * linear_[2]


def test_tones_stand_out_in_both_schemes():
    from results.report_page import _part

    style = _part("style.css")
    light, dark = re.split(r"prefers-color-scheme: dark", style, maxsplit=1)
    for part in (light, dark.split("* {")[0]):
        found = dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", part))
        assert set(TONES) <= set(found)
        for tone in ("ink", "muted", "accent", "heat", *(f"s{i}" for i in range(7))):
            a, b = sorted((_light(found[tone]), _light(found["surface"])))
            assert (b + 0.05) / (a + 0.05) >= 4.5, tone
    found = dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", light))
    assert {tone: found[tone] for tone in TONES} == TONES, "PNG and page have the same colours"


def test_numbers_in_words():
    assert [number(v) for v in (0.5, -2, 2.9e38, 1e-7, None, "NaN", 0)] == [
        *("0.500", "−2.000", "2.9 · 10³⁸", "1.0 · 10⁻⁷", "–", "NaN", "0.000")
    ]
    assert (share(0.7), share(None)) == ("0.70", "–")
    assert [signed(v) for v in (0.5, -0.5, 0.0, -0.0001)] == ["+0.500", "−0.500", "0.000", "0.000"]
    assert [span(v) for v in (4.2, 200, 7500, None)] == ["4.2 s", "3 min 20 s", "2 h 05 min", "–"]
    assert (count(1, "cell"), count(1200, "cell")) == ("1 cell", "1,200 cells")
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed("abcdefgh", most=3) == "a, b and 6 more"
    assert brief("quantile_layernorm, quantile 0.25") == "quantile_layernorm 0.25"
    assert brief("share 0.1") == "share 0.1"
