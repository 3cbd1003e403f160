"""Cells of regions of interest: those whose index or middle is inside, whatever the shape."""

import numpy as np
import pytest

from testbeam.services.livedata.regions import MOST_VERTICES, Region, mask_of

INDICES = np.arange(6.0)


def drawn(kind: str, x: tuple[float, ...], y: tuple[float, ...]) -> list[str]:
    return ["".join(".#"[cell] for cell in row) for row in mask_of(kind, Region(x=x, y=y), INDICES[:5], INDICES).astype(int)]


def test_a_rectangle_is_from_its_minimum_up_to_its_maximum() -> None:
    assert drawn("roi_rectangle", (1, 3), (0, 2)) == [".##...", ".##...", "......", "......", "......"]
    assert drawn("roi_rectangle", (-9, 99), (4, 9)) == ["......", "......", "......", "......", "######"]


def test_a_polygon_may_bend_inwards_and_cross_itself() -> None:
    bent = drawn("roi_polygon", (0.5, 5.5, 5.5, 3.0, 0.5), (-0.5, -0.5, 4.5, 1.5, 4.5))
    bow = drawn("roi_polygon", (-0.5, 5.5, 5.5, -0.5), (-0.5, 4.5, -0.5, 4.5))

    assert bent == [".#####", ".#####", ".##.##", ".#...#", "......"]
    assert bow == ["#....#", "##..##", "######", "##..##", "#....#"]


def test_many_random_polygons_hold_the_cells_from_which_a_ray_crosses_an_odd_number_of_edges() -> None:
    random = np.random.default_rng(1)
    for vertices in range(3, 30):
        x, y = (tuple(float(one) for one in random.integers(-4, 16, vertices) / 2) for _ in "xy")
        mask = mask_of("roi_polygon", Region(x=x, y=y), INDICES, INDICES)
        for row, column in np.ndindex(mask.shape):
            edges = zip(x, y, x[1:] + x[:1], y[1:] + y[:1], strict=True)
            crossed = [(xb - xa) * (row - ya) / (yb - ya) + xa > column for xa, ya, xb, yb in edges if (ya > row) != (yb > row)]
            assert mask[row, column] == (sum(crossed) % 2 == 1)


def test_a_region_of_the_most_vertices_on_a_large_image_is_drawn_soon() -> None:
    angles = np.linspace(0, 2 * np.pi, MOST_VERTICES, endpoint=False)
    circle = Region(x=tuple(512 + 400 * np.cos(angles)), y=tuple(512 + 400 * np.sin(angles)))
    mask = mask_of("roi_polygon", circle, np.arange(1024.0), np.arange(1024.0))  # in a third of a second; it was half a minute

    assert mask.sum() == pytest.approx(np.pi * 400**2, rel=1e-3)
