"""Distribution of tests to workers, and their order."""

import pytest

from tests.scheduler import group_of, in_order

DOCS = "tests/system/test_docs.py::test_a"
CONTROL = "src/testbeam/suites/control/test_files.py::test_b"
HOSTING = "tests/integration/hosting/test_attached.py::test_c"
LINKS = "tests/integration/faults/test_links.py::test_d"
UNIT = "tests/unit/kit/test_graph.py::test_e[a::b]"


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        (CONTROL, "src/testbeam/suites/control/"),
        (HOSTING, HOSTING),
        (DOCS, DOCS),
        (LINKS, "tests/integration/faults/test_links.py"),
        (UNIT, "tests/unit/kit/test_graph.py"),
    ],
)
def test_tests_that_share_a_stack_are_of_one_group(nodeid: str, group: str) -> None:
    assert group_of(nodeid) == group


def test_suites_come_last_and_units_are_spread_between_tests_with_processes() -> None:
    collected = [CONTROL, LINKS, LINKS, UNIT, UNIT, UNIT, UNIT, DOCS]

    ordered = [collected[index] for index in in_order(collected)]

    assert ordered == [DOCS, LINKS, UNIT, UNIT, LINKS, UNIT, UNIT, CONTROL]
