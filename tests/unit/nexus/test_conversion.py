import numpy as np

from testbeam.nexus.conversion import converted


def test_numbers_are_converted_as_hdf5_does() -> None:
    assert converted(np.array([1.5, -2.7, 1e20]), np.dtype(np.int32)).tolist() == [1, -2, 2**31 - 1]


def test_numbers_of_the_wanted_type_are_not_copied() -> None:
    values = np.array([1.5])

    assert converted(values, np.dtype(np.float64)) is values
