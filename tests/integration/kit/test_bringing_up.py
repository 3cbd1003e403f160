import re
import socket
import threading
import time
from pathlib import Path

import pytest

from testbeam.errors import NotReady, PortTaken, ServiceDied, StackError
from testbeam.kit import journal
from testbeam.kit.handle import Handle
from testbeam.kit.journal import Event
from testbeam.kit.journal_views import first_starts
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.spec import Port, ProbeResult, Service, ServiceView
from testbeam.kit.stack import Stack
from tests.integration.kit.small_services import is_alive, listener, python, sleeper, stubborn


class Never:
    """A probe that is not satisfied, and counts how often it was asked."""

    def check(self, service: ServiceView) -> ProbeResult:
        service.memory["asked"] = service.memory.get("asked", 0) + 1
        return ProbeResult(ready=False, detail="asked in vain")


class Blocked:
    """A probe that takes longer than it may."""

    def check(self, _service: ServiceView) -> ProbeResult:
        threading.Event().wait(2)
        return ProbeResult(ready=False, detail="too late")


def failed_start(stack: Stack, events: list[Event]) -> tuple[StackError, float]:
    """Return the error of a start that must fail, and the seconds from the end of the first service to the error."""
    with pytest.raises(StackError) as caught:
        stack.run(on_event=events.append).start()
    raised_ns = time.monotonic_ns()
    ended = [event.at_ns for event in events if event.kind == "exited"]
    pids = [event.data["pid"] for event in events if event.kind == "spawned"]
    assert not [pid for pid in pids if is_alive(pid)]
    return caught.value, (raised_ns - ended[0]) / 1e9 if ended else 0.0


def test_services_that_need_nothing_of_each_other_start_at_the_same_time() -> None:
    with Stack(listener("one", after_s=0.2), listener("two", after_s=0.2)).run() as run:
        times = {span.service: span for span in first_starts(run.journal.events)}

    assert max(times[name].spawned_s or 9 for name in times) < min(times[name].ready_s or 0 for name in times)


def test_a_service_is_spawned_only_when_all_that_it_needs_is_ready() -> None:
    with Stack(listener("last", "first", "second"), listener("first", after_s=0.1), listener("second")).run() as run:
        times = {span.service: span for span in first_starts(run.journal.events)}

    assert (times["last"].spawned_s or 0) > max(times["first"].ready_s or 9, times["second"].ready_s or 9)


def test_a_service_finds_its_address_ports_folder_and_the_endpoints_that_it_needs(tmp_path: Path) -> None:
    tells = python(
        "tells",
        "import sys, time; print(*sys.argv[1:], flush=True); open('done', 'w'); time.sleep(1000)",
        needs=("server",),
        own_address=True,
        ports=(Port(name="web"),),
        env={"WHERE": "${server.tcp}"},
        files={"config-files/tells.ini": "peer=${server.tcp}\n"},
    ).configured(endpoints={"web": "http://${address}:${port.web}/"})
    with Stack(tells, listener("server")).run(tmp_path) as run:
        handle = run["tells"]
        assert handle.address.startswith("127.")
        assert handle.address != "127.0.0.1"
        assert handle.endpoints == {"web": f"http://{handle.address}:{handle.ports['web']}/"}
        assert (tmp_path / "config-files" / "tells.ini").read_text() == f"peer={run['server'].endpoints['tcp']}\n"
        environ = Path(f"/proc/{handle.pid}/environ").read_text().split("\0")
        assert f"WHERE={run['server'].endpoints['tcp']}" in environ
        assert Path(f"/proc/{handle.pid}/cwd").readlink() == handle.folder == tmp_path / "tells"


def test_the_callers_kafka_sasl_and_epics_variables_do_not_leak_into_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    junk = ("KAFKA_HEAP_OPTS", "SASL_PASSWORD", "EPICS_CA_ADDR_LIST", "JAVA_TOOL_OPTIONS", "TESTBEAM_BROKER_PORT", "NOTIFY_SOCKET")
    for name in junk:
        monkeypatch.setenv(name, "junk")
    with Stack(sleeper("one")).run() as run:
        environ = Path(f"/proc/{run['one'].pid}/environ").read_text()

    assert "junk" not in environ
    assert f"TESTBEAM_RUN_ID={run.id}" in environ.split("\0")


def test_an_early_death_is_reported_within_half_a_second_with_exit_code_and_log() -> None:
    dies = python("dies", "import sys; print('no such PV: VOLT', file=sys.stderr); sys.exit(3)", ready=Never(), ready_timeout_s=60)

    error, late_s = failed_start(Stack(dies, listener("other", after_s=0.1)), [])

    assert isinstance(error, ServiceDied)
    assert "service 'dies' exited with code 3" in str(error)
    assert "| no such PV: VOLT" in str(error)
    assert str(error).count("asked in vain") == str(error).count("last seen")  # where it was asked at all before it died
    assert late_s < 0.5


def test_a_death_is_seen_while_a_probe_hangs() -> None:
    events: list[Event] = []

    failed_start(Stack(python("dies", "import time; time.sleep(0.1)", ready=Blocked())), events)

    at_ns = {event.kind: event.at_ns for event in events}
    assert at_ns["stopped" if "stopped" in at_ns else "failed"] - at_ns["exited"] < 0.5e9


def test_a_service_that_exits_with_0_at_once_is_one_clear_error() -> None:
    error, late_s = failed_start(Stack(python("brief", "", ready=Never())), [])

    assert "service 'brief' exited with code 0" in str(error)
    assert "while it was starting" in str(error)
    assert "if it is meant to end by itself, say so (once=True" in str(error)
    assert late_s < 0.5


@pytest.mark.parametrize("code", ["import no_such_module", "import time\nwhile time.process_time() < 0.1: pass\nraise SystemExit(1)"])
def test_a_service_without_a_probe_that_can_not_begin_is_a_failed_start(code: str) -> None:
    error, _ = failed_start(Stack(python("dies", code)), [])

    assert "service 'dies' exited with code 1" in str(error)
    assert "while it was starting" in str(error)


def test_a_crash_of_a_ready_service_ends_the_start_of_the_others() -> None:
    first = python("first", "import os, time\nwhile not os.path.exists('../go'): time.sleep(0.005)\nraise SystemExit(5)")
    waits = python("waits", "import time; open('../go', 'w'); time.sleep(1000)", needs=("first",), ready=Never())

    error, late_s = failed_start(Stack(first, waits), [])

    assert "service 'first' exited with code 5" in str(error)
    assert "although it should be running" in str(error)
    assert late_s < 0.5


def test_a_command_that_is_not_there_is_named_with_the_way_out() -> None:
    error, _ = failed_start(Stack(Service("typo", command=("no-such-binary", "--flag"), ready=Never())), [])

    assert "command not found: 'no-such-binary' is in no folder of PATH" in str(error)


def test_a_file_that_is_not_executable_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "ioc").write_text("")

    error, _ = failed_start(Stack(Service("ioc", command=(str(tmp_path / "ioc"),), ready=Never())), [])

    assert f"{tmp_path}/ioc is not executable; chmod +x it" in str(error)


def test_a_service_that_is_not_ready_in_time_is_explained() -> None:
    slow = listener("slow", after_s=60).configured(ready_timeout_s=0.3)

    error, _ = failed_start(Stack(slow), [])

    assert isinstance(error, NotReady)
    for fact in (
        "service 'slow' was not ready after 0.3 s (allowed: 0.3 s",
        "tcp = 127.0.0.1:",
        "Connection refused",
        "(nothing in it)",
        "next",
    ):
        assert fact in str(error)
    assert "folder of the run is kept" in error.__notes__[0]


def test_a_service_that_listens_elsewhere_is_told_with_the_port_that_it_took() -> None:
    code = "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); print(s.getsockname()[1]); time.sleep(1000)"
    stubborn_one = python("stubborn", code, ports=(Port(name="web"),), ready=PortListens("web"), ready_timeout_s=5)

    error, _ = failed_start(Stack(stubborn_one), [])

    assert re.search(r"ports +it listens at 127\.0\.0\.1:\d+, and not where it was told to: \$\{port\.web\} = \d+", str(error))
    assert "next       give it ${port.web} in its command, or declare the port as fixed" in str(error)


def test_a_word_that_is_a_file_here_and_not_where_the_service_runs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.yaml").touch()
    monkeypatch.chdir(tmp_path)

    error, _ = failed_start(Stack(Service("reader", command=("cat", "settings.yaml"))), [])

    assert f"settings.yaml is not in the service's own folder, in which it runs; write {tmp_path}/settings.yaml" in str(error)


def test_a_failing_after_ready_is_a_failed_start() -> None:
    def create_topics(handle: Handle) -> None:
        raise ValueError(f"no topics on {handle.name}")

    error, _ = failed_start(Stack(listener("broker").configured(after_ready=create_topics)), [])

    assert isinstance(error, NotReady)
    assert "ValueError: no topics on broker" in str(error)


def test_a_port_that_a_stranger_has_is_one_clear_error() -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        number = stranger.getsockname()[1]

        error, _ = failed_start(Stack(sleeper("broker", ports=(Port(name="plain", fixed=number),))), [])

    assert isinstance(error, PortTaken)
    assert f"service 'broker': TCP port {number} of 127.0.0.1 is taken by pid" in str(error)


def test_a_port_that_is_not_held_serves_a_service_that_will_not_share() -> None:
    code = "import socket, sys, time; s = socket.socket(); s.bind(('127.0.0.1', int(sys.argv[1]))); s.listen(); time.sleep(1000)"
    selfish = listener("selfish").configured(
        command=("${python}", "-I", "-S", "-c", code, "${port.main}"), ports=(Port(name="main", hold=False),)
    )

    with Stack(selfish).run() as run:
        assert run["selfish"].is_running()


def test_a_service_that_runs_elsewhere_is_asked_but_neither_started_nor_stopped() -> None:
    with Stack(listener("server")).run() as theirs:
        there = Service("broker", external=True, endpoints={"tcp": theirs["server"].endpoints["tcp"]}, ready=PortListens("tcp"))
        with Stack(there, listener("client", "broker")).run() as ours:
            assert ours["broker"].is_running()
            assert ours["broker"].pid is None
        assert theirs["server"].is_running()


def test_of_a_service_that_runs_elsewhere_no_log_is_to_be_read() -> None:
    there = Service("store", external=True, endpoints={"tcp": "127.0.0.1:9"}, ready=Never(), ready_timeout_s=0.1)

    error, _ = failed_start(Stack(there), [])

    assert str(error).endswith("it is not ours: see whether it runs, and can be reached from here, at 127.0.0.1:9")
    assert " log " not in str(error)


def test_preparing_commands_run_to_their_end_before_anything_starts(tmp_path: Path) -> None:
    prepared = sleeper("two").configured(prepare=(("sh", "-c", "sleep 0.1; echo ready > ${dir}/cache"),))
    with Stack(sleeper("one"), prepared).run(tmp_path) as run:
        assert (tmp_path / "two" / "cache").read_text() == "ready\n"
        kinds = [event.kind for event in run.journal.events]

    assert kinds.index("prepared") < kinds.index("spawned")


def test_a_preparing_command_that_fails_is_one_clear_error() -> None:
    error, _ = failed_start(Stack(sleeper("one", prepare=(("sh", "-c", "exit 7"),))), [])

    assert str(error) == "service 'one' could not be prepared: sh -c 'exit 7' exited with code 7; its words are above; run it by hand"


def test_a_folder_that_is_in_use_by_another_run_is_refused(tmp_path: Path) -> None:
    with Stack(sleeper("one")).run(tmp_path), pytest.raises(StackError, match="in use by another run"):
        Stack(sleeper("one")).run(tmp_path).start()


def test_the_journal_can_be_read_back(tmp_path: Path) -> None:
    with Stack(sleeper("one")).run(tmp_path) as run:
        pass

    assert [event.kind for event in journal.read(tmp_path / "events.jsonl")] == [event.kind for event in run.journal.events]
    assert run.journal.lost == 0


def test_a_folder_that_can_not_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StackError, match=r"run folder: .*file/run: Not a directory; give one that can be written"):
        Stack(sleeper("one")).run(tmp_path / "file" / "run").start()


def test_a_log_that_can_not_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "log" / "one.log").mkdir(parents=True)

    with pytest.raises(ServiceDied, match=r"'one' could not be started: .*log/one.log: Is a directory; fix that"):
        Stack(sleeper("one", ready=Never())).run(tmp_path).start()


def test_a_journal_that_can_not_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").symlink_to("/dev/full/none")

    with pytest.raises(StackError, match=r"journal: .*events.jsonl: Not a directory; make room"):
        Stack(sleeper("one")).run(tmp_path).start()


def test_a_failed_start_does_not_wait_for_a_service_that_ignores_its_signal() -> None:
    dies = python("dies", "raise SystemExit(3)", needs=("stubborn",), ready=Never())
    started_s = time.monotonic()

    failed_start(Stack(stubborn("stubborn", stop_timeout_s=60), dies), [])

    assert time.monotonic() - started_s < 10
