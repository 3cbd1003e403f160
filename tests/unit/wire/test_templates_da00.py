"""da00 messages of one shape: made from a template, read by a layout that is known."""

import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from testbeam.errors import WireError
from testbeam.model.arrays import LabelledArray, Variable
from testbeam.wire.flatbuffers.schemas.labelled_array_da00 import decode_da00, encode_da00
from testbeam.wire.flatbuffers.schemas.layouts_da00 import MAX_OF_A_LENGTH, KnownLayouts
from testbeam.wire.flatbuffers.schemas.plain_da00 import build_da00, read_da00
from testbeam.wire.flatbuffers.schemas.template_da00 import Da00Template
from tests.unit.wire.library import LIBRARY
from tests.unit.wire.values import same


def histogram(name: str = "monitor1", at_ns: int = 1, counts: Any = None, label: str | None = "Histogram") -> LabelledArray:
    signal = np.arange(6, dtype=np.float64).reshape(2, 3) if counts is None else counts
    return LabelledArray(
        source_name=name,
        timestamp_ns=at_ns,
        variables=(
            Variable(name="signal", data=signal, axes=("y", "x"), unit="counts", label=label),
            Variable(name="x", data=np.array([0.0, 1, 2, 3]), axes=("x",), unit="ms"),
            Variable(name="time", data=np.array(7, np.int64), unit="datetime64[ns]"),
        ),
    )


def test_a_template_writes_what_the_library_writes() -> None:
    first, second = histogram(), histogram(at_ns=-5, counts=np.full((2, 3), 2.5))
    template = Da00Template("monitor1", first.variables)

    assert template.fill(1, [v.data for v in first.variables]) == LIBRARY["da00"].encode(first)
    assert template.fill(-5, [v.data for v in second.variables]) == LIBRARY["da00"].encode(second)


def test_arrays_that_are_not_contiguous_or_not_little_endian_are_written_by_value() -> None:
    transposed = histogram(counts=np.arange(6.0).reshape(3, 2).T)
    swapped = histogram(counts=np.arange(6, dtype=">f8").reshape(2, 3))

    assert same(decode_da00(encode_da00(transposed)), transposed)
    assert same(decode_da00(encode_da00(swapped)), histogram())


@pytest.mark.parametrize("data", [np.zeros((3, 2)), np.zeros((2, 3), np.float32)])
def test_a_template_refuses_another_shape_or_type(data: Any) -> None:
    example = histogram()

    with pytest.raises(WireError, match="this template takes"):
        Da00Template("monitor1", example.variables).fill(1, [data, *(v.data for v in example.variables[1:])])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": np.zeros(2, np.complex128)}, "complex128 has no place"),
        ({"data": np.zeros(2), "axes": ("x", "y")}, "2 axes and 1 dimensions"),
        ({"data": "text", "axes": ("x",)}, "1 axes and 0 dimensions"),
        ({"data": "\ud800"}, "can't be encoded"),
    ],
)
def test_what_da00_can_not_carry_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    variable = replace(Variable(name="signal", data=np.zeros(2)), **change)

    with pytest.raises(WireError, match=reason):
        encode_da00(LabelledArray(source_name="s", timestamp_ns=1, variables=(variable,)))


def test_a_known_layout_reads_other_numbers_times_and_names_of_the_same_length() -> None:
    known = KnownLayouts()
    message = build_da00(histogram())
    known.learn(message, read_da00(message))
    other = histogram("monitor2", at_ns=99, counts=np.full((2, 3), -1.0))

    assert same(known.read(build_da00(other)), other)


def test_a_known_layout_does_not_read_another_text() -> None:
    known = KnownLayouts()
    message = build_da00(histogram())
    known.learn(message, read_da00(message))

    assert known.read(build_da00(histogram(label="histogram"))) is None


def test_a_name_that_two_fields_share_is_no_known_layout() -> None:
    message = bytearray(build_da00(histogram("Histogram", label="Histogram")))
    root = struct.unpack_from("<I", message)[0]
    vtable = root - struct.unpack_from("<i", message, root)[0]
    name_cell = root + struct.unpack_from("<H", message, vtable + 4)[0]
    label = bytes(message).rindex(b"Histogram") - 4
    assert label > name_cell
    struct.pack_into("<I", message, name_cell, label - name_cell)  # as a builder does that writes equal texts once
    shared, known = bytes(message), KnownLayouts()
    array = read_da00(shared)
    known.learn(shared, array)

    assert (array.source_name, array.variables[0].label) == ("Histogram", "Histogram")
    assert known.read(shared) is None


def test_few_layouts_of_a_length_are_kept() -> None:
    known = KnownLayouts()
    for number in range(3 * MAX_OF_A_LENGTH):
        message = build_da00(histogram(label=f"{number:04}"))
        known.learn(message, read_da00(message))

    assert sum(map(len, known.by_length.values())) == MAX_OF_A_LENGTH


def test_a_lone_number_with_the_shape_of_its_bytes_is_a_number() -> None:
    from streaming_data_types import dataarray_da00 as library

    message = library.serialise_da00("s", 1, [library.Variable(name="signal", data=3), library.Variable(name="t", data=2.5)])

    assert [np.asarray(v.data).tolist() for v in decode_da00(message).variables] == [3, 2.5]
