import ctypes

import pytest

from testbeam.errors import StackError
from testbeam.services.ioc import initial_sleep
from testbeam.transport import epics_libraries


def test_a_missing_package_is_told_with_the_extra_and_the_platforms_that_have_wheels() -> None:
    with pytest.raises(StackError, match=r"nosuchlibs is not installed.*install testbeam\[ioc\].*Linux on x86-64 with glibc; this is"):
        epics_libraries.folder("nosuchlibs")


def test_all_that_an_ioc_needs_is_found_without_importing_it() -> None:
    epics_libraries.require()

    assert (epics_libraries.folder("epicscorelibs") / "dbd" / "base.dbd").is_file()


def test_a_library_that_is_laid_out_otherwise_is_left_alone() -> None:
    python = ctypes.CDLL(None)

    assert initial_sleep.skip(python, ctypes.CDLL("libc.so.6")) is False
