import os
import socket
import sys
from pathlib import Path

import pytest

from testbeam.kit import private_net
from tests.integration.cli.commands import Commands

SUITE = Path(__file__).parents[3] / "examples" / "foreign_suite"


def test_a_broker_alone_listens_on_the_port_that_is_asked_for_and_says_who_has_it(commands: Commands) -> None:
    up = commands.run("broker", "up", "--detach", "--own-address", "--port", "9092", "--topic", "motion:3", "--name", "mine")
    assert up.returncode == 0, up.stderr

    listed = commands.run("topic", "ls").stdout
    where = commands.run("env", "mine").stdout

    assert "motion" in listed
    assert "KAFKA_BOOTSTRAP_SERVERS=127." in where
    assert where.count(":9092") == 2


@pytest.mark.parametrize("words", [("--port", "0"), ("--topic", ":3"), ("--topic", "a:x"), ("--property", "novalue")])
def test_options_that_can_not_be_used_are_refused_before_anything_starts(commands: Commands, words: tuple[str, ...]) -> None:
    done = commands.run("broker", "up", "--detach", *words)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told_with_its_holder(commands: Commands) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        done = commands.run("broker", "up", "--detach", "--port", str(taken.getsockname()[1]))

    assert done.returncode == 3
    assert "is taken" in done.stderr
    assert f"pid {os.getpid()}" in done.stderr


def test_foreign_suites_with_localhost_9092_built_in_run_side_by_side(commands: Commands) -> None:
    if not private_net.is_allowed():
        pytest.skip("the kernel or the container forbids user and network namespaces, which testbeam private needs")
    pytest_of_theirs = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:testbeam", str(SUITE))
    command = ("private", "--", sys.executable, "-m", "testbeam", "run", str(SUITE / "testbeam.toml"), "--", *pytest_of_theirs)

    suites = [commands.spawn(*command) for _ in range(2)]
    told = [process.communicate(timeout=240) for process in suites]

    assert [process.returncode for process in suites] == [0, 0], told
    assert all("1 passed" in out for out, _ in told), told
