import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import NexusError
from testbeam.nexus.values import TYPES, dtype_of, to_array


def test_ragged_lists_are_padded_with_zeros() -> None:
    assert to_array([[1, 2, 3], [4], []], np.dtype("i4"), "$").tolist() == [[1, 2, 3], [4, 0, 0], [0, 0, 0]]


def test_ragged_texts_are_padded_with_empty_texts() -> None:
    assert to_array([["a", "b"], ["c"]], dtype_of("string", "$"), "$").tolist() == [["a", "b"], ["c", ""]]


def test_deeper_ragged_lists_are_padded_at_every_depth() -> None:
    assert to_array([[[1], [2, 3]], [[4]]], np.dtype("f8"), "$").tolist() == [[[1, 0], [2, 3]], [[4, 0], [0, 0]]]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(1, "int64"), (2**63, "uint64"), (1.5, "float64"), ([1, 2.5], "float64"), (True, "int8"), ("a", "object"), ([], "float64")],
)
def test_a_type_that_is_not_given_is_inferred(value: object, dtype: str) -> None:
    assert to_array(value, None, "$").dtype == dtype


def test_the_largest_uint64_is_kept_exactly() -> None:
    assert int(to_array([10138143369737381149], dtype_of("uint64", "$"), "$")[0]) == 10138143369737381149


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (300, "int8"),
        (-1, "uint16"),
        (1.5, "int32"),
        ("1", "double"),
        (1, "string"),
        ([1, [2]], "int32"),
        (None, "double"),
        ([None], "string"),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_refused_with_its_place(value: object, word: str) -> None:
    with pytest.raises(NexusError, match=r"^\$\.here: "):
        to_array(value, dtype_of(word, "$.here"), "$.here")


def test_an_unknown_type_word_is_refused_with_those_there_are() -> None:
    with pytest.raises(NexusError, match=r"'complex'.*double.*uint64"):
        dtype_of("complex", "$")


def test_type_words_ignore_case() -> None:
    assert dtype_of("Double", "$") == np.float64


def test_every_word_of_the_contract_is_known() -> None:
    words = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)} | {
        "int",
        "float",
        "double",
        "string",
        "float32",
        "float64",
    }
    assert words <= set(TYPES)


@given(st.recursive(st.integers(-100, 100), lambda inner: st.lists(inner, max_size=4), max_leaves=20))
def test_padding_keeps_every_value_or_refuses_mixed_depths(value: object) -> None:
    problem = "mixes"
    try:
        array = to_array(value, np.dtype("i8"), "$")
    except NexusError as refused:
        problem = str(refused)
    else:
        assert sorted(array[array != 0].tolist()) == sorted(leaf for leaf in _leaves(value) if leaf)
    assert "mixes" in problem


def _leaves(value: object) -> list[int]:
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, list) else [int(str(value))]
