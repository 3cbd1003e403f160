"""Writer module tdct: when a chopper passed a point (NXlog). Source: docs/reference/contracts/filewriter.md, "Writer modules"."""

import numpy as np
from numpy.typing import NDArray

from testbeam.model.samples import TimeSeries
from testbeam.services.filewriter.modules.series import Series


class Module(Series):
    """Rows are `TimeSeries` objects; a message without times is counted as one, and has none."""

    schema = b"tdct"

    def _times_of(self, message: TimeSeries) -> NDArray[np.uint64]:
        return np.asarray(message.timestamps_ns, np.uint64)
