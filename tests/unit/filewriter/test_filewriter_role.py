from typing import Any

import pytest

from testbeam.errors import StackError
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.filewriter.declaration import filewriter

INI = "config-files/${name}.ini"


def options_of(service: Service) -> dict[str, str]:
    return dict(line.split("=", 1) for line in service.files[INI].splitlines() if "=" in line)


def test_the_writer_is_configured_by_a_file_of_the_run() -> None:
    service = filewriter(pool_topic="pool", time_after_stop_s=0.25)

    assert options_of(service)["job-pool-topic"] == "pool"
    assert options_of(service)["time-after-stop"] == "250ms"
    assert options_of(service)["brokers"] == "${broker.kafka}"
    assert f"${{run_dir}}/{INI}" in service.command


def test_it_may_be_configured_otherwise_and_keeps_the_rest() -> None:
    service = filewriter(pool_topic="pool").configured(ini={"time-after-stop": "5s"}, name="other")

    assert options_of(service)["time-after-stop"] == "5s"
    assert options_of(service)["job-pool-topic"] == "pool"
    assert service.name == "other"


def test_a_start_up_command_becomes_a_file_whose_dollars_are_kept() -> None:
    service = filewriter(startup_command={"filename": "$a.nxs"})

    assert service.files["config-files/${name}-command.json"] == '{"filename": "$$a.nxs"}'
    assert options_of(service)["start-command"] == "${run_dir}/config-files/${name}-command.json"


def test_an_unknown_word_of_configuration_is_refused() -> None:
    with pytest.raises(StackError):
        filewriter().configured(nonsense=1)


def test_writers_of_ours_are_a_group_of_their_pool_unless_their_configuration_names_another() -> None:
    for service, group in (
        (filewriter(pool_topic="pool"), "pool_writers"),
        (filewriter(pool_topic="pool", name="second"), "pool_writers"),
        (filewriter(ini={"job-pool-topic": "other"}), "other_writers"),
        (filewriter(ini={"job-pool-group": "kafka-to-nexus-worker-pool"}), "kafka-to-nexus-worker-pool"),
        (filewriter().configured(ini={"job-pool-group": "theirs"}).configured(name="second"), "theirs"),
    ):
        assert service.command[service.command.index("--job-pool-group") + 1] == group


def test_a_facilitys_own_writer_is_asked_for_no_ready_file() -> None:
    theirs = filewriter(command=("/opt/kafka-to-nexus",))

    assert theirs.command[0] == "/opt/kafka-to-nexus"
    assert {"--ready-file", "--job-pool-group"}.isdisjoint(theirs.command)


@pytest.mark.parametrize("more", [{}, {"command": ("kafka-to-nexus",)}, {"startup_command": {}}])
def test_it_fits_into_a_stack_with_a_broker(more: dict[str, Any]) -> None:
    stack = Stack(broker(), filewriter(**more), filewriter(name="second", **more))

    assert [service.needs for service in stack.services] == [(), ("broker",), ("broker",)]
