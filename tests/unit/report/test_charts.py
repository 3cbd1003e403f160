import base64
import xml.etree.ElementTree as ET
import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from testbeam.report.charts.image import colours, image, png
from testbeam.report.charts.lines import Curve, lines
from testbeam.report.charts.scale import Scale, label
from testbeam.report.charts.spans import Span, spans

finite = st.floats(-1e12, 1e12)


def test_ticks_are_round_and_inside() -> None:
    assert Scale(0.0, 71.4, 0, 100).ticks(7) == [0, 20, 40, 60]
    assert Scale(-0.3, 0.3, 0, 100).ticks(6) == [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]


@given(finite, finite)
def test_no_range_asks_for_many_ticks(a: float, b: float) -> None:
    assert len(Scale(min(a, b), max(a, b), 0, 100).ticks(5)) <= 12


def test_labels_are_short() -> None:
    assert [label(v) for v in (0.5, 12.0, 30_000.0, 1.2e6)] == ["0.5", "12", "30k", "1.2M"]


def test_a_pv_holds_its_value_until_the_next_point() -> None:
    svg = ET.fromstring(lines([Curve(name="VOLT", x=[0, 1], y=[0, 5], steps=True)], x_label="s", y_label="V"))

    path = next(e for e in svg.iter() if e.tag == "path")
    assert "H" in path.attrib["d"]
    assert path.find("title") is not None


def test_an_empty_curve_is_drawn_as_nothing() -> None:
    svg = ET.fromstring(lines([Curve(name="none", x=[], y=[])], x_label="s", y_label="V"))

    assert not [e for e in svg.iter() if e.tag == "path"]


def test_a_name_from_outside_can_t_break_the_page() -> None:
    svg = lines([Curve(name="<script>", x=[0, 1], y=[0, 1])], x_label="<b>", y_label="&")

    assert "<script>" not in svg
    ET.fromstring(svg)


def test_a_timeline_has_a_bar_a_state_in_rows_by_service() -> None:
    svg = ET.fromstring(
        spans(
            [
                Span(row="broker", state="STARTING", start_s=0, end_s=0.6),
                Span(row="broker", state="READY", start_s=0.6, end_s=2),
                Span(row="ioc", state="STARTING", start_s=0, end_s=0.9),
            ],
            marks=[(1.0, "job started")],
        )
    )

    bars = [e for e in svg.iter() if e.tag == "rect"]
    assert [b.attrib["class"] for b in bars] == ["bar starting", "bar ready", "bar starting"]
    assert bars[0].attrib["y"] == bars[1].attrib["y"] != bars[2].attrib["y"]


def test_the_png_holds_the_pixels() -> None:
    rgb = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)

    data = png(rgb)

    start = data.index(b"IDAT") + 4
    length = int.from_bytes(data[start - 8 : start - 4], "big")
    rows = np.frombuffer(zlib.decompress(data[start : start + length]), np.uint8).reshape(2, 10)
    assert (rows[:, 0] == 0).all()
    assert (rows[:, 1:].reshape(2, 3, 3) == rgb).all()


def test_more_counts_are_lighter() -> None:
    dark, light = colours(np.array([[0.0, 1.0]]))[0]

    assert int(dark.sum()) < int(light.sum())


def test_an_image_is_inside_the_page() -> None:
    tag = image(np.zeros((4, 4), np.int64), alt="panel")

    assert base64.b64decode(tag.split("base64,")[1].partition('"')[0], validate=True).startswith(b"\x89PNG")


def test_a_picture_has_axes_and_a_scale_of_its_counts() -> None:
    drawn = image(np.arange(128 * 64).reshape(64, 128), alt="panel", x_label="column", y_label="row", unit="events")

    ticks = [text for text in ("0", "50", "100", "20", "40", "60", "5000") if f">{text}</text>" in drawn]
    assert ticks == ["0", "50", "100", "20", "40", "60", "5000"]
    assert all(f">{word}</text>" in drawn for word in ("column", "row", "events"))
    assert drawn.count("<image ") == 2


def test_a_picture_without_any_count_can_be_drawn() -> None:
    assert ">0</text>" in image(np.zeros((2, 3), np.int64), alt="empty")


def test_a_curve_on_another_does_not_hide_it() -> None:
    volt, readback = Curve(name="VOLT", x=[0, 1], y=[1, 2]), Curve(name="VOLT-RB", x=[0, 1], y=[1, 2])

    assert lines([volt, readback], x_label="x", y_label="y").count('class="curve s0 under"') == 1
    assert "under" not in lines([volt], x_label="x", y_label="y")
