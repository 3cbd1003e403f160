"""ad00 out of an NTNDArray: mono images without compression, with their attributes; gaps in `uniqueId` are counted."""

from typing import Any

import numpy as np

from testbeam.errors import WireError
from testbeam.model.arrays import AreaImage, ImageAttribute
from testbeam.model.updates import Form, Image
from testbeam.services.forwarder.serialisers import Serialise, Source
from testbeam.wire.flatbuffers.schemas.area_image_ad00 import encode_ad00

_MONO = "Mono"


def ad00(source: Source, form: Form, dtype: str) -> Serialise:
    """Return what serialises one PV's images.

    Raises:
        WireError: they are no images.
    """
    if form is not Form.IMAGE:
        raise WireError("ad00", f"a value of kind {form.value} of {dtype} has no place in it; it takes an NTNDArray")
    last_id: int | None = None

    def serialise(image: Image, timestamp_ns: int) -> bytes | None:
        nonlocal last_id
        if image.colour_mode != _MONO:
            raise WireError("ad00", f"colour mode {image.colour_mode} has no place in it; it takes {_MONO}")
        if image.codec:
            raise WireError("ad00", f"data compressed by {image.codec} has no place in it; take the detector's compression plugin out")
        if last_id is not None and image.unique_id > last_id + 1:
            source.missed += image.unique_id - last_id - 1
        last_id = image.unique_id
        attributes = tuple(map(_plain, image.attributes))
        return encode_ad00(
            AreaImage(source_name=source.name, unique_id=image.unique_id, timestamp_ns=timestamp_ns, data=image.data, attributes=attributes)
        )

    return serialise


def _plain(attribute: ImageAttribute) -> Any:
    """Return the attribute with a bool as an int8: ad00 has none."""
    if isinstance(attribute.data, str) or attribute.data.dtype != np.bool_:
        return attribute
    return ImageAttribute(name=attribute.name, description=attribute.description, source=attribute.source, data=attribute.data.astype("i1"))
