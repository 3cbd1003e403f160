"""Where brokers that do not come up on purpose have their folders."""

from tests.integration.temporary import temporary_folders_of_its_own  # noqa: F401 - a fixture
