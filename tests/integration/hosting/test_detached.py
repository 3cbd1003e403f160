import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from testbeam.clients.waiting import wait_for_condition
from testbeam.errors import NotReady, StackError
from testbeam.hosting import processes, registry
from testbeam.hosting.attached import AttachedRun
from testbeam.hosting.detaching import detach
from testbeam.hosting.ending import end
from testbeam.hosting.hosted import StackInfo
from testbeam.hosting.registry import Entry
from testbeam.kit.journal import Event
from testbeam.kit.probes.file import FileExists
from testbeam.kit.stack import Stack
from testbeam.kit.state import State
from testbeam.stacks.fingerprint import fingerprint
from tests.integration.kit.small_services import is_alive, listener, pids_of, sleeper, stubborn

LABEL = StackInfo(name="small", fingerprint="f")


def pids(entry: Entry) -> list[int]:
    run = AttachedRun(entry)
    found = [handle.pid for handle in run.handles.values()]
    everyone = [entry.pid, run.guard_pid, run.watcher_pid, *found]
    run.close()
    return [pid for pid in everyone if pid is not None]


def reaped(entry: Entry) -> None:
    """Take the dead holder, which is a child of this process."""
    os.waitpid(entry.pid, 0)


def test_a_detached_stack_lives_in_a_session_of_its_own_until_it_is_told_to_end() -> None:
    events: list[str] = []
    entry = detach(Stack(listener("one"), sleeper("two", "one")), LABEL, on_event=lambda event: events.append(event.kind))

    assert registry.entries() == (entry,)
    assert os.getsid(entry.pid) == entry.pid != os.getsid(0)
    assert Path(f"/proc/{entry.pid}/cwd").readlink() == Path("/")
    assert {Path(f"/proc/{entry.pid}/fd/{fd}").readlink() for fd in (1, 2)} == {Path(entry.log)}
    assert Path(f"/proc/{entry.pid}/fd/0").readlink() == Path("/dev/null")
    assert "run_ready" in events
    everyone = pids(entry)
    assert all(map(is_alive, everyone))

    end(entry)

    reaped(entry)
    assert not any(map(is_alive, everyone))
    assert registry.entries() == ()
    assert not Path(entry.folder).exists()
    assert not Path(entry.log).exists()


def test_an_error_at_the_start_is_shown_as_at_home_and_leaves_nothing() -> None:
    bad = sleeper("bad", ready=FileExists("never"), ready_timeout_s=0.05)

    with pytest.raises(NotReady, match="'bad' was not ready after") as raised:
        detach(Stack(bad), LABEL)

    assert "the folder of the run is kept" in raised.value.__notes__[0]
    assert registry.entries() == ()
    assert list(registry.stacks_folder().iterdir()) == []


def test_a_holder_that_dies_at_its_start_is_an_error_with_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbeam.hosting.detaching._PROGRAM", ("-c", "import sys; sys.exit('no such luck')"))

    with pytest.raises(StackError, match=r"died.*\n.*no such luck"):
        detach(Stack(sleeper("one")), LABEL)


def test_a_declaration_that_can_not_be_told_starts_nothing() -> None:
    with pytest.raises(StackError, match="after_ready holds"):
        detach(Stack(sleeper("one", after_ready=lambda _: None)), LABEL)

    assert list(registry.stacks_folder().iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_detached_stack_in_order(number: signal.Signals) -> None:
    entry = detach(Stack(listener("one")), LABEL)
    everyone = pids(entry)

    os.kill(entry.pid, number)

    assert processes.wait_end(entry.pid, entry.started_at, 10)
    reaped(entry)
    assert not any(map(is_alive, everyone))
    assert not Path(entry.folder).exists()


def test_a_killed_holder_leaves_no_process_and_its_entry_is_pruned() -> None:
    entry = detach(Stack(stubborn("stubborn")), LABEL)
    everyone = [*pids(entry), *pids_of(Path(entry.folder) / "stubborn")]

    os.kill(entry.pid, signal.SIGKILL)
    reaped(entry)

    wait_for_condition(lambda: not any(map(is_alive, everyone)), within_s=1.0)
    assert registry.entries() == ()


def test_a_holder_that_hangs_is_killed_by_down() -> None:
    entry = detach(Stack(sleeper("one")), LABEL)
    everyone = pids(entry)
    Path(entry.socket).unlink()  # nobody can ask it any more

    end(entry)

    reaped(entry)
    wait_for_condition(lambda: not any(map(is_alive, everyone)), within_s=1.0)


def test_a_stack_ends_within_a_second_of_the_process_that_it_belongs_to() -> None:
    owner = subprocess.Popen(["sleep", "1000"])
    entry = detach(Stack(stubborn("stubborn")), LABEL, watched=(owner.pid, processes.started_at(owner.pid)))
    everyone = [*pids(entry), *pids_of(Path(entry.folder) / "stubborn")]

    owner.kill()
    owner.wait()

    wait_for_condition(lambda: not any(map(is_alive, everyone)), within_s=1.0 * 5)  # promised is one second
    reaped(entry)
    assert registry.entries() == ()


STARTER = """
import sys
import threading
from testbeam.kit.stack import Stack
from testbeam.hosting.detaching import detach
from testbeam.hosting.hosted import StackInfo
from tests.integration.kit.small_services import listener
def tell(event):
    print(event.kind, event.data.get("pid", ""), flush=True)
detach(Stack(listener("slow", after_s=60)), StackInfo(name="slow", fingerprint="f"), on_event=tell)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_whoever_gives_up_the_start_of_a_detached_stack_leaves_nothing(number: signal.Signals) -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert starter.stdout is not None
    pid = next(int(line.split()[1]) for line in starter.stdout if line.startswith("spawned"))

    starter.send_signal(number)
    starter.wait(60)
    starter.stdout.close()

    wait_for_condition(lambda: not is_alive(pid), within_s=60)
    wait_for_condition(lambda: registry.entries() == (), within_s=60)


def test_whoever_starts_a_stack_that_is_ended_meanwhile_is_told_so() -> None:
    def heard(event: Event) -> None:
        if event.kind == "spawned":
            threading.Thread(target=lambda: end(*registry.entries(starting=True))).start()  # as `testbeam down` does

    with pytest.raises(StackError, match="the stack was ended while it started"):
        detach(Stack(listener("slow", after_s=60)), LABEL, on_event=heard)

    wait_for_condition(lambda: list(registry.stacks_folder().iterdir()) == [], within_s=60)


def test_the_same_declaration_has_the_same_fingerprint_in_the_holder() -> None:
    stack = Stack(listener("one"))
    entry = detach(stack, StackInfo(name="small", fingerprint=fingerprint(stack)))
    run = AttachedRun(entry)

    assert fingerprint(run.stack) == entry.fingerprint
    run.close()
    end(entry)
    reaped(entry)


def test_several_stacks_live_side_by_side() -> None:
    def start(name: str) -> Entry:
        return detach(Stack(listener("one")), StackInfo(name=name, fingerprint="f"))

    entries = [start(name) for name in "abcd"]

    assert len({entry.endpoints["one"]["tcp"] for entry in entries}) == 4
    for entry in entries:
        run = AttachedRun(entry)
        assert run["one"].state is State.READY
        run.close()
        end(entry)
        reaped(entry)
