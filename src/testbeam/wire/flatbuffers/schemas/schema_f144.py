"""What does an f144 message look like as a table, and which number types can it carry?

Source: f144_logdata.fbs.
"""

import numpy as np

from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table, Union, Vector

SCALAR_CODES = ("b", "B", "h", "H", "i", "I", "q", "Q", "f", "d")  # union type 1 is the first
_DTYPES = ("<i1", "<u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8")
SCALAR_TYPES = tuple(map(np.dtype, _DTYPES))
ARRAY_KIND = 10  # an array's union type is that of its element plus this

_SCALARS = {1 + i: Table("value", (Scalar("value", 0, code),)) for i, code in enumerate(SCALAR_CODES)}
_ARRAYS = {1 + ARRAY_KIND + i: Table("value", (Vector("value", 0, dtype),)) for i, dtype in enumerate(_DTYPES)}

F144 = Table(
    "f144",
    (String("source_name", 0), Scalar("timestamp", 1, "q"), Union("value", 3, _SCALARS | _ARRAYS)),
    created="source_name value",
    added="source_name value value_type timestamp",
)
