"""Templates and banks make the very messages that one encode after the other makes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import WireError
from testbeam.model.samples import LogValue
from testbeam.wire.flatbuffers.schemas.log_value_f144 import F144Bank, F144Template, decode_f144, encode_f144
from tests.unit.wire.library import LIBRARY
from tests.unit.wire.values import F144_TYPES


@given(st.text(max_size=20), st.sampled_from(F144_TYPES), st.integers(1, 100), st.integers(1, 2**63 - 1))
def test_a_filled_template_is_the_library_s_message(name: str, dtype: str, number: int, timestamp_ns: int) -> None:
    value = np.dtype(dtype).type(number)

    message = F144Template(name, dtype).fill(value, timestamp_ns)

    assert message == LIBRARY["f144"].encode(LogValue(source_name=name, value=value, timestamp_ns=timestamp_ns))


@given(st.text(max_size=20), st.sampled_from(F144_TYPES), st.lists(st.integers(0, 100), max_size=9))
def test_a_filled_array_template_is_the_library_s_message(name: str, dtype: str, numbers: list[int]) -> None:
    value = np.array(numbers, dtype)

    message = F144Template(name, dtype, len(numbers)).fill(value, 5)

    assert message == LIBRARY["f144"].encode(LogValue(source_name=name, value=value, timestamp_ns=5))


@pytest.mark.parametrize("dtype", F144_TYPES)
def test_a_bank_makes_one_message_a_row_for_the_source_of_that_row(dtype: str) -> None:
    templates = [F144Template(f"TB:{number:03}", dtype) for number in range(50)]
    sources = np.array([3, 49, 0, 3])
    values = np.array([1, 0, 100, 7], dtype)
    timestamps_ns = np.array([10, -20, 0, 2**62])

    messages = F144Bank(templates).fill(sources, values, timestamps_ns)

    assert messages == [templates[s].fill(v, t) for s, v, t in zip(sources, values, timestamps_ns.tolist(), strict=True)]


def test_a_bank_takes_rows_of_other_arrays() -> None:
    table = np.arange(12.0).reshape(4, 3)

    messages = F144Bank([F144Template("TB:A", "f8")]).fill(np.zeros(4, np.intp), table[:, 1], np.arange(8)[::2])

    assert [(float(decode_f144(m).value), decode_f144(m).timestamp_ns) for m in messages] == [(1.0, 0), (4.0, 2), (7.0, 4), (10.0, 6)]


def test_a_bank_refuses_templates_of_several_layouts() -> None:
    for others in ([F144Template("TB:A", "f4")], [F144Template("TB:A:LONG:NAME", "f8")], [F144Template("TB:A", "f8", 1)]):
        with pytest.raises(WireError, match="one type and layout"):
            F144Bank([F144Template("TB:A", "f8"), *others])
    with pytest.raises(WireError, match="at least one"):
        F144Bank([])


def test_a_bank_refuses_values_of_another_type() -> None:
    with pytest.raises(WireError, match=r"float32.*takes float64"):
        F144Bank([F144Template("TB:A", "f8")]).fill(np.array([0]), np.array([1], np.float32), np.array([1]))


@pytest.mark.parametrize(
    ("dtype", "value", "timestamp_ns"),
    [("i1", 128, 1), ("u4", -1, 1), ("i4", 1.5, 1), ("f8", "a", 1), ("f8", 1.0, 2**63), ("f4", 1e300, 1)],
)
def test_what_does_not_fit_is_refused(dtype: str, value: object, timestamp_ns: int) -> None:
    with pytest.raises(WireError, match="does not fit"):
        F144Template("TB:A", dtype).fill(value, timestamp_ns)


@pytest.mark.parametrize("value", [[1.0, 2.0, 3.0], [[1.0, 2.0]], 1.0, [1, 2]])
def test_an_array_of_another_shape_or_type_is_refused(value: object) -> None:
    with pytest.raises(WireError, match="no array of 2 float64"):
        F144Template("TB:A", "f8", 2).fill(np.array(value), 1)


@pytest.mark.parametrize("dtype", ["U5", "?", "c16", "f2", "O", "M8[ns]"])
def test_a_type_without_a_place_in_f144_is_refused_and_the_types_are_named(dtype: str) -> None:
    with pytest.raises(WireError, match=r"no place in it; it takes int8.*float64"):
        F144Template("TB:A", dtype)


def test_big_endian_values_are_turned_round() -> None:
    array = LogValue(source_name="TB:A", value=np.array([1, 2], ">i4"), timestamp_ns=1)
    scalar = LogValue(source_name="TB:A", value=np.array(258, ">u2"), timestamp_ns=1)

    assert decode_f144(encode_f144(array)).value.tolist() == [1, 2]
    assert decode_f144(encode_f144(scalar)).value == 258


def test_a_value_with_two_dimensions_is_refused() -> None:
    with pytest.raises(WireError, match="2 dimensions"):
        encode_f144(LogValue(source_name="TB:A", value=np.zeros((2, 2)), timestamp_ns=1))
