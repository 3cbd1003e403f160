"""Requests of regions of interest, as live data takes them: one da00 for all regions of a kind.

Source: docs/reference/contracts/livedata.md.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from testbeam.model.arrays import LabelledArray, Variable

_DIMENSIONS = {"roi_rectangle": "bounds", "roi_polygon": "vertex"}


def region_request(job: str, kind: str, shapes: Mapping[int, tuple[Iterable[float], Iterable[float]]]) -> LabelledArray:
    """Return the request for a job (SOURCE/NUMBER); `shapes` are x and y of each index, in pixel indices.

    A rectangle is its bounds (min, max), a polygon its vertices.
    """
    points = [(index, *point) for index, (x, y) in sorted(shapes.items()) for point in zip(x, y, strict=True)]
    index, x, y = (np.array([point[place] for point in points], dtype) for place, dtype in enumerate((np.int32, np.float64, np.float64)))
    axes = (_DIMENSIONS[kind],)
    variables = (
        Variable(name="signal", data=np.ones(len(points), np.int32), axes=axes, unit=""),
        Variable(name="x", data=x, axes=axes),
        Variable(name="y", data=y, axes=axes),
        Variable(name="roi_index", data=index, axes=axes, unit=""),
    )
    return LabelledArray(source_name=f"{job}/{kind}", timestamp_ns=0, variables=variables)
