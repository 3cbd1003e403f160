"""Commands that run suites, some on a stack that fails on purpose and keeps its folder."""

from tests.integration.temporary import temporary_folders_of_its_own  # noqa: F401 - a fixture
