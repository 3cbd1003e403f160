import pytest

from testbeam.report.failure.bundle import folder_name


def test_a_test_s_folder_is_called_as_the_test() -> None:
    assert folder_name("tests/test_a.py::test_b[1]") == "tests_test_a.py_test_b[1]"


def test_every_other_phase_has_a_folder_of_its_own() -> None:
    assert folder_name("test_a.py::test_b", "teardown") == "test_a.py_test_b-teardown"
    assert folder_name(f"test_a.py::test_b[{'x' * 300}]", "setup").endswith("-setup")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("test_b[a b]", "test_b[a_b]"),
        ("test_b[a/b]", "test_b[a:b]"),
        (f"test_b[{'x' * 300}a]", f"test_b[{'x' * 300}b]"),
        ("test_ä", "test_ö"),
    ],
)
def test_two_tests_never_share_a_folder(one: str, other: str) -> None:
    names = {folder_name(f"test_a.py::{test}", when) for test in (one, other) for when in ("call", "teardown")}

    assert len(names) == 4
    assert all(len(name.encode()) < 200 for name in names)
