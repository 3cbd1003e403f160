"""Plug-in of pytest that gives the smoke test of the NICOS tree our stack in place of NICOS.

The test expects the name that the tree's double of a file-writer bears; our file-writer is given it.
"""

from collections.abc import Iterator

import pytest

from testbeam import control_stack


class OurStack:
    """Takes the place of the fixture of the same name that comes with testbeam."""

    @pytest.fixture(scope="module")
    @staticmethod
    def smoke_client() -> Iterator[object]:
        """Give a client of our daemon."""
        stack = control_stack(filewriter_ini={"service-id": "nicos-smoke-filewriter-double"})
        with stack.run() as run, run["daemon"].client("admin", "admin") as client:
            yield client


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixture behind those of all installed plug-ins."""
    config.pluginmanager.register(OurStack())
