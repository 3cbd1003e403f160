"""A value that has no place on the wire is a WireError which names it, never a message that says something else."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from testbeam.errors import WireError
from testbeam.wire.flatbuffers.registry import ENCODERS, decode
from tests.unit.wire.values import GOLDEN


@pytest.mark.parametrize(
    ("schema", "change"),
    [
        ("al00", {"timestamp_ns": 2**63}),
        ("al00", {"source_name": "\ud800"}),
        ("al00", {"message": 5}),
        ("ep01", {"timestamp_ns": 1.5}),
        ("pl72", {"start_time_ms": -1}),
        ("pl72", {"stop_time_ms": 2**64}),
        ("6s4t", {"stop_time_ms": -1}),
        ("answ", {"status_code": 2**31}),
        ("x5f2", {"process_id": -1}),
        ("x5f2", {"status_json": b"{}"}),
        ("wrdn", {"file_name": "\udcff"}),
        ("f144", {"timestamp_ns": -(2**63) - 1}),
        ("f144", {"source_name": "\ud800"}),
        ("ev44", {"message_id": 2**63}),
        ("ev44", {"source_name": "\ud800"}),
        ("ev44", {"pixel_id": np.array([1], np.int32)}),
        ("ev44", {"reference_time_ns": np.array([1])}),
        ("ev44", {"pixel_id": np.arange(5) + 2**31}),
        ("ev44", {"time_of_flight_ns": np.array([0.5, 1, 2, 3, 4])}),
        ("ev44", {"time_of_flight_ns": np.zeros((5, 1), np.int32)}),
    ],
)
def test_a_value_that_does_not_fit_is_refused(schema: str, change: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        ENCODERS[schema](replace(GOLDEN[schema], **change))


def test_events_of_another_integer_type_are_taken_if_every_value_fits() -> None:
    events = replace(GOLDEN["ev44"], pixel_id=[1, 2, 3, 4, 5], time_of_flight_ns=np.arange(10)[::2])

    assert decode(ENCODERS["ev44"](events)).pixel_id.tolist() == [1, 2, 3, 4, 5]
    assert decode(ENCODERS["ev44"](events)).time_of_flight_ns.tolist() == [0, 2, 4, 6, 8]
