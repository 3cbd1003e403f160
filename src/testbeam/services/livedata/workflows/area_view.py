"""Area view: images of a camera, summed since the start and in each window.

Where shape or type of the images changes, the sum begins anew, as after a new setting of the camera.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WorkflowError
from testbeam.model.arrays import AreaImage, Variable
from testbeam.services.livedata.workflows.seam import Data, Output, Temporality, scalar

_AXES = ("dim_0", "dim_1", "dim_2", "dim_3")


class AreaView:
    """Sums of images in 64 bits, integers or floating point as the camera sends them; they begin anew where shape or type change."""

    def __init__(self) -> None:
        self.lost: Mapping[str, int] = {}
        self._kind: tuple[Any, ...] = ()
        self._sum: NDArray[Any] | None = None
        self._window: NDArray[Any] | None = None

    def add(self, source: str, data: Data) -> None:
        """Take an image.

        Raises:
            WorkflowError: it is none, or has no rows and columns.
        """
        if not isinstance(data, AreaImage) or isinstance(data.data, str) or not 1 <= data.data.ndim <= len(_AXES):
            raise WorkflowError(f"{source}: an area detector's data are images of 1 to {len(_AXES)} dimensions")
        kind = (data.data.shape, data.data.dtype)
        if kind != self._kind:
            self._begin(kind)
        assert self._window is not None
        self._window += data.data

    def outputs(self) -> Sequence[Output]:
        """Return both sums and their totals."""
        if self._window is None or self._sum is None:
            return ()
        self._sum = self._sum + self._window
        window, self._window = self._window, np.zeros_like(self._window)
        return (
            self._picture("cumulative", self._sum, Temporality.CUMULATIVE, "Image"),
            self._picture("current", window, Temporality.WINDOW, "Image update"),
            scalar("counts_total_cumulative", self._sum.sum(), Temporality.CUMULATIVE, "Total"),
            scalar("counts_total", window.sum(), Temporality.WINDOW, "Total (update)"),
        )

    def clear(self) -> None:
        """Begin anew."""
        self._kind, self._sum, self._window = (), None, None

    def _begin(self, kind: tuple[Any, ...]) -> None:
        shape, dtype = kind
        self._kind = kind
        self._sum = np.zeros(shape, np.int64 if dtype.kind in "iu" else np.float64)
        self._window = np.zeros_like(self._sum)

    def _picture(self, name: str, image: NDArray[Any], temporality: Temporality, label: str) -> Output:
        signal = Variable(name="signal", data=image, axes=_AXES[: image.ndim], unit="counts", label=label)
        return Output(name=name, temporality=temporality, variables=(signal,))
