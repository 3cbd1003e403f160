"""Stacks in which a developer's own build, command or running service takes a role; the builds are stand-ins made of our programs."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from testbeam.errors import NotReady, ServiceDied
from testbeam.kit.handle import Handle
from testbeam.kit.probes.process import ProcessAlive
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.model.forwarding import StreamSpec
from testbeam.nexus import compose
from testbeam.stacks.probes.topic_grows import TopicGrows
from testbeam.stacks.replacing import apply, parse_replacements, replaced
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.event_source.declaration import event_source
from testbeam.stacks.roles.filewriter.declaration import FileWriterHandle, filewriter
from testbeam.stacks.roles.forwarder.declaration import ForwarderHandle, forwarder
from testbeam.stacks.roles.ioc.declaration import IocHandle, ioc
from testbeam.stacks.topics import Topics
from tests.integration.kit.runners import until

DB = """
record(ao, "$(P)VOLT") { field(VAL, "3") field(PINI, "YES") field(FLNK, "$(P)VOLT-RB") }
record(ai, "$(P)VOLT-RB") { field(INP, "$(P)VOLT") }
"""


def program(path: Path, text: str) -> Path:
    """Make an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def topics(tmp_path: Path) -> Topics:
    return Topics(prefix=f"lb-{tmp_path.name[-40:].replace('_', '-')}")


@pytest.fixture
def shared(shared_broker: BrokerHandle, topics: Topics) -> Service:
    """The shared broker, as one that runs already, with topics of this test's own."""
    return broker(bootstrap=shared_broker.bootstrap, topics=topics.all)


@pytest.fixture
def writer(topics: Topics) -> Service:
    return filewriter(pool_topic=topics.pool, status_topic=topics.writer_status, control_topic=topics.control, status_interval_s=0.3)


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder as a build of kafka-to-nexus leaves it; the program is ours, and gets theirs' options."""
    program(tmp_path / "build" / "bin" / "kafka-to-nexus", f'#!/bin/sh\nexec "{sys.executable}" -m testbeam.services.filewriter "$@"\n')
    return tmp_path / "build"


def write_a_file(handle: Handle) -> None:
    """Have the file-writer write a file and look into it."""
    writer = cast("FileWriterHandle", handle)
    job = writer.start_job(compose.nexus_structure(compose.dataset("answer", 42)), "answer.nxs")
    job.wait_started()
    job.stop()
    assert not job.wait_written().error_encountered


def test_a_build_folder_of_the_file_writer_writes_the_stack_s_files(shared: Service, writer: Service, build: Path) -> None:
    stack = replaced(Stack(shared, writer), "filewriter", local_build=build)

    with stack.run() as run:
        assert "idle" in run["filewriter"].last_seen
        write_a_file(run["filewriter"])
        assert (run["filewriter"].folder / "answer.nxs").exists()


def test_a_script_that_starts_the_program_as_its_child_is_ready_all_the_same(shared: Service, writer: Service, build: Path) -> None:
    wrapper = program(
        build / "run.sh", '#!/bin/sh\nbin=$(dirname "$0")/bin/kafka-to-nexus\n"$bin" "$@" &\ntrap "kill $!" TERM\nwait\nwait\n'
    )

    with replaced(Stack(shared, writer), "filewriter", command=f"{wrapper} -v debug").run() as run:
        assert run["filewriter"].is_running()


def test_a_build_that_does_not_start_is_told_with_its_words(shared: Service, writer: Service, tmp_path: Path) -> None:
    broken = program(tmp_path / "kafka-to-nexus", "#!/bin/sh\necho libhdf5.so.310: cannot open shared object file >&2\nexit 127\n")

    with (
        pytest.raises(ServiceDied, match=r"(?s)'filewriter' exited with code 127.*libhdf5\.so\.310"),
        replaced(Stack(shared, writer), "filewriter", local_build=broken).run(),
    ):
        pass


def test_another_file_writer_s_status_makes_nobody_ready(shared: Service, writer: Service, build: Path) -> None:
    """Two writers share a status topic: the one that says nothing must not pass for ready."""
    silent = writer.configured(name="silent", command=("sleep", "1000"), ready_timeout_s=1.5, needs=("broker", "filewriter"))
    stack = replaced(Stack(shared, writer, silent), "silent", command="sh -c 'exec sleep 1000'")

    with pytest.raises(NotReady, match=r"(?s)'silent' was not ready.*none of them a status of process"), stack.run():
        pass


def test_a_file_writer_and_a_broker_that_run_already(shared_broker: BrokerHandle, shared: Service, writer: Service) -> None:
    with Stack(shared, writer).run() as theirs:
        where = shared_broker.bootstrap
        words = parse_replacements(external=[f"filewriter={where}", f"broker={where}"])
        with apply(Stack(broker(), writer), words).run() as run:
            assert run["filewriter"].pid is None
            write_a_file(run["filewriter"])
        assert (theirs["filewriter"].folder / "answer.nxs").exists(), "an external service goes on when a run ends"
        assert theirs["filewriter"].is_running()


def test_a_file_writer_that_does_not_run_is_not_ready(shared_broker: BrokerHandle, shared: Service, writer: Service) -> None:
    stack = replaced(Stack(shared, writer.configured(ready_timeout_s=1.0)), "filewriter", external=shared_broker.bootstrap)

    with pytest.raises(NotReady, match="none of them a status"), stack.run():
        pass


def test_a_checkout_of_the_forwarder_forwards_a_compiled_ioc(shared: Service, topics: Topics, tmp_path: Path) -> None:
    checkout, top = tmp_path / "forwarder", tmp_path / "motor"
    launch = "import sys\nfrom testbeam.runtime.program import run\nfrom testbeam.services.forwarder.service import forward\n"
    launch += "from testbeam.services.forwarder.settings import ForwarderSettings\nsys.exit(run('forwarder', ForwarderSettings, forward))\n"
    program(checkout / "forwarder_launch.py", launch)
    compiled_ioc(top)
    theirs = forwarder(
        config_topic=topics.forwarder_commands, status_topic=topics.forwarder_status, storage_topic="", ini={"status-interval": 300}
    )
    words = parse_replacements([f"forwarder={checkout}", f"ioc={top}"])

    with apply(Stack(shared, ioc(), theirs), words).run() as run:
        cast("ForwarderHandle", run["forwarder"]).add(StreamSpec(channel="M1:VOLT-RB", topic=topics.motion, schema="f144"))
        cast("IocHandle", run["ioc"]).pv("M1:VOLT").put(42)
        cast("BrokerHandle", run["broker"]).topic(topics.motion).expect(source="M1:VOLT-RB", value=42, within_s=60)


def compiled_ioc(top: Path, last: str = "") -> Path:
    """Make the top folder of a compiled IOC; return its st.cmd."""
    program(
        top / "bin" / "linux-x86_64" / "motor", f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("soft_ioc.py")}" "$@"\n'
    )
    (top / "db").mkdir()
    (top / "db" / "motor.db").write_text(DB)
    start_up = f'#!../../bin/linux-x86_64/motor\ndbLoadRecords("../../db/motor.db", "P=M1:")\niocInit\n{last}'
    return program(top / "iocBoot" / "iocmotor" / "st.cmd", start_up)


def test_a_compiled_ioc_has_its_own_address_its_records_and_an_open_shell(tmp_path: Path) -> None:
    start_up = compiled_ioc(tmp_path / "motor")

    with replaced(Stack(ioc()), "ioc", local_build=start_up).run() as run:
        handle = cast("IocHandle", run["ioc"])
        assert handle.address.startswith("127.")
        assert handle.address != "127.0.0.1"
        handle.pv("M1:VOLT", "ca").put(42)
        handle.pv("M1:VOLT-RB", "pva").expect(42)
        until(lambda: sorted(handle.records) == ["M1:VOLT", "M1:VOLT-RB"], 60)

        (handle.folder / "stdin").write_text('dbpf "M1:VOLT" 7\n')
        handle.pv("M1:VOLT-RB", "ca").expect(7)


def test_a_compiled_ioc_starts_again_with_its_shell_open(tmp_path: Path) -> None:
    start_up = compiled_ioc(tmp_path / "motor")

    with replaced(Stack(ioc(probe_pv="M1:VOLT")), "ioc", local_build=start_up).run() as run:
        handle = cast("IocHandle", run["ioc"])
        handle.pv("M1:VOLT", "ca").put(5)
        handle.restart()
        handle.pv("M1:VOLT", "ca").expect(3)


def test_a_pv_that_the_ioc_lacks_keeps_it_from_being_ready(tmp_path: Path) -> None:
    start_up = compiled_ioc(tmp_path / "motor")
    stack = replaced(Stack(ioc(probe_pv="M1:CURR").configured(ready_timeout_s=3.0)), "ioc", local_build=start_up)

    with pytest.raises(NotReady, match=r"(?s)was not ready.*'M1:CURR'"), stack.run():
        pass


def test_an_ioc_that_runs_already_is_reached_at_its_address(tmp_path: Path) -> None:
    with Stack(ioc(prefix="X:")).run() as theirs:
        address = theirs["ioc"].address
        for where in (address, f"{address}:5064"):
            with replaced(Stack(ioc()), "ioc", external=where).run() as run:
                handle = cast("IocHandle", run["ioc"])
                assert handle.pv(theirs["ioc"].records[0], "ca").read() is not None  # type: ignore[attr-defined]
                assert handle.pv(theirs["ioc"].records[0], "pva").read() is not None  # type: ignore[attr-defined]


def test_an_event_source_of_one_s_own_is_ready_when_its_events_arrive(
    shared: Service, topics: Topics, tmp_path: Path, new_topic: Callable[..., object]
) -> None:
    sender = program(
        tmp_path / "send.py",
        f"#!{sys.executable}\nimport sys, time\nfrom confluent_kafka import Producer\np = Producer({{'bootstrap.servers': sys.argv[1]}})\n"
        "while True:\n    p.produce(sys.argv[2], b'event')\n    p.flush(1)\n    time.sleep(0.05)\n",
    )
    source = event_source(detector_topic=topics.detector, monitor_topic=topics.beam_monitor)
    stack = replaced(Stack(shared, source), "event_source", command=f"{sender} ${{broker.kafka}} {topics.detector}")

    with stack.run() as run:
        assert isinstance(run["event_source"].service.ready, TopicGrows)


def test_any_other_service_keeps_its_probe_and_variables() -> None:
    stack = Stack(Service("web", command=("false",), env={"A": "1"}, ready=ProcessAlive()))

    with replaced(stack, "web", command=["sh", "-c", "echo A=$A; exec sleep 1000"]).run() as run:
        assert run["web"].is_running()
