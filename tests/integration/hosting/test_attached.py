import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from testbeam.clients.waiting import wait_for_condition
from testbeam.errors import ServiceDied, StackError, WireError
from testbeam.hosting import registry
from testbeam.hosting.attached import AttachedRun, attach, with_fingerprint
from testbeam.hosting.channel import Channel, short_path
from testbeam.hosting.registry import Entry
from testbeam.hosting.service_json import encode_service
from testbeam.kit.handle import Handle
from testbeam.kit.journal import Event
from testbeam.kit.probes.file import FileExists
from testbeam.kit.probes.log_line import LogLine
from testbeam.kit.state import State
from tests.integration.hosting.holding import Hold
from tests.integration.kit.small_services import is_alive, listener, python, sleeper


class Greeting(Handle):
    """A role's handle: it reaches its service by what it finds in the handle."""

    def greet(self) -> bool:
        host, _, port = self.endpoints["tcp"].rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60):
            return True


def test_a_joined_stack_shows_what_its_holder_sees(hold: Hold) -> None:
    holder = hold(listener("one", handle=Greeting), sleeper("two", "one"))

    with attach() as run:
        assert list(run) == list(holder.run) == ["one", "two"]
        assert (run.id, run.folder, run.ready_s) == (holder.run.id, holder.run.folder, holder.run.ready_s)
        mine, theirs = run["one"], holder.run["one"]
        for name in ("name", "state", "pid", "exit_code", "folder", "log_path", "address", "ports", "endpoints", "log_start"):
            assert getattr(mine, name) == getattr(theirs, name), name
        assert mine.ready_s == pytest.approx(theirs.ready_s)
        assert mine.service == theirs.service
        assert mine.fill("${port.main} $$") == theirs.fill("${port.main} $$")
        assert mine.environment() == theirs.environment()
        wait_for_condition(lambda: "listening" in mine.get_stdout(), within_s=60)
        assert isinstance(mine, Greeting)
        assert mine.greet()
        assert [event.kind for event in run.journal.events] == [event.kind for event in holder.run.journal.events]
        assert run.stack == holder.run.stack
        with pytest.raises(StackError, match="no service 'three'"):
            run["three"]
    assert holder.run["one"].state == "ready"


def test_joining_takes_no_time(hold: Hold) -> None:
    hold(*(listener(f"s{number}") for number in range(6)))
    with attach():
        pass  # imports

    before_s = time.monotonic()
    with attach() as run:
        assert [handle.state for handle in run.handles.values()] == [State.READY] * 6
        took_s = time.monotonic() - before_s

    assert took_s < 0.5  # five times what is promised


def test_a_service_is_paused_resumed_stopped_started_and_restarted_from_afar(hold: Hold) -> None:
    hold(listener("one"))
    with attach() as run:
        one = run["one"]
        one.pause()
        assert one.state == "paused"
        one.resume()
        assert one.state == "ready"
        before = one.pid
        one.restart()
        assert one.state == "ready"
        assert one.pid != before
        one.stop()
        assert (one.state, one.is_running()) == (State.STOPPED, False)
        one.start()
        one.kill()
        assert one.state == "stopped"
        assert one.exit_code == -signal.SIGKILL
        with pytest.raises(StackError, match="can't become paused"):
            one.pause()


def test_one_more_service_joins_and_leaves_without_touching_the_others(hold: Hold) -> None:
    holder = hold(listener("one"))
    before = holder.run["one"].pid
    with attach() as run:
        with run.add(listener("one", handle=Greeting), ready_timeout_s=20.0) as added:
            assert added.name == "one-2"
            assert isinstance(added, Greeting)
            assert added.greet()
            assert "one-2" in holder.run
            pid = added.pid
        assert "one-2" not in run
        assert "one-2" not in holder.run
        assert not is_alive(pid or 0)
        assert holder.run["one"].pid == before


def test_what_cannot_be_told_to_another_process_is_refused_before_anything_starts(hold: Hold) -> None:
    hold(sleeper("one"))
    with (
        attach() as run,
        pytest.raises(StackError, match=r"after_ready holds .* can't import"),
        run.add(sleeper("two", after_ready=lambda _: None)),
    ):
        pytest.fail("started")


def test_a_service_that_does_not_come_up_raises_what_it_raises_at_home(hold: Hold) -> None:
    hold(sleeper("one"))
    bad = python("bad", "raise SystemExit(3)", ready=FileExists("never"))
    with attach() as run:
        with pytest.raises(ServiceDied, match="'bad' exited with code 3"), run.add(bad):
            pytest.fail("started")
        assert "bad" not in run


def test_what_a_visitor_wanted_for_itself_ends_with_it(hold: Hold) -> None:
    holder = hold(listener("one"))
    visitor = Channel(holder.entry.socket)
    visitor.ask("add", declaration=encode_service(listener("more")))
    visitor.ask("fault_begin", service="one", kind="paused", options={})
    visitor.ask("expect_exit", service="more", change=1)
    visitor.ask("expect_exit", service="one", change=1)
    assert holder.run["one"].state == "paused"
    assert holder.run["more"].state == "ready"

    visitor.close()  # as a process does that is killed

    wait_for_condition(lambda: "more" not in holder.run and holder.run["one"].state == "ready", within_s=60)
    holder.run.check()
    os.kill(holder.run["one"].pid or 0, signal.SIGKILL)
    wait_for_condition(lambda: holder.run["one"].state == "crashed", within_s=60)  # nobody expects that any more
    with pytest.raises(ServiceDied):
        holder.run.check()


def test_a_crash_is_told_at_once_and_poisons_those_who_had_joined(hold: Hold) -> None:
    hold(sleeper("one"), sleeper("two"))
    told = threading.Event()
    crashed: list[str] = []

    def on_crash(handle: Handle) -> None:
        crashed.append(handle.name)
        told.set()

    run = attach(on_crash=on_crash)
    run.check()
    os.kill(run["two"].pid or 0, signal.SIGKILL)

    assert told.wait(60)
    assert crashed == ["two"]
    with pytest.raises(ServiceDied, match="'two' was ended by SIGKILL"):
        run.check()
    with pytest.raises(ServiceDied, match="'two' was ended by SIGKILL"):
        run["two"].check()
    run.close()
    with attach() as later:  # who comes later sees its state, and may mend it
        assert later["two"].state == "crashed"
        later["two"].start()
        later.check()


# Up at its first start only.
ONCE = """
import os, time
print("down" if os.path.exists("again") else "up", flush=True)
open("again", "w").close()
time.sleep(1000)
"""


def test_a_crash_is_told_while_a_word_that_starts_a_service_waits_for_it(hold: Hold) -> None:
    holder = hold(sleeper("one"), python("slow", ONCE, ready=LogLine("up"), ready_timeout_s=60))
    told = threading.Event()
    errors: list[StackError] = []

    def restart() -> None:
        try:
            run["slow"].restart()
        except StackError as error:
            errors.append(error)

    with suppress(ServiceDied), attach(on_crash=lambda _: told.set()) as run:
        restarting = threading.Thread(target=restart)
        restarting.start()
        wait_for_condition(lambda: (holder.run["slow"].log_tail(), holder.run["slow"].state) == (["down"], State.STARTING), within_s=60)
        os.kill(holder.run["one"].pid or 0, signal.SIGKILL)

        assert told.wait(30)
        with pytest.raises(ServiceDied, match="'one' was ended by SIGKILL"):
            run.check()
        assert restarting.is_alive()

        holder.run["slow"].kill()  # ends their start, too
        restarting.join(60)
        assert not restarting.is_alive()
    assert "'slow' was ended by SIGKILL" in str(errors[0])


def test_who_asks_for_it_is_poisoned_by_what_ended_before_it_joined(hold: Hold) -> None:
    holder = hold(sleeper("one"))
    os.kill(holder.run["one"].pid or 0, signal.SIGKILL)
    wait_for_condition(lambda: holder.run.crashed, within_s=60)

    with attach() as indifferent:
        indifferent.check()
    with pytest.raises(ServiceDied, match="'one' was ended by SIGKILL"), AttachedRun(holder.entry, from_start=True):
        pass


def test_an_exit_that_is_expected_is_no_crash(hold: Hold) -> None:
    hold(sleeper("one"))
    with attach() as run:
        with run["one"].expect_exit() as one:
            os.kill(one.pid or 0, signal.SIGTERM)
            assert one.wait_exit() == -signal.SIGTERM
            assert one.state == "stopped"
        one.start()
        with pytest.raises(TimeoutError, match="still runs"):
            one.wait_exit(0.05)


def test_marks_and_records_go_into_the_one_journal_and_events_are_heard(hold: Hold) -> None:
    holder = hold(sleeper("one"))
    with attach() as run:
        heard: list[Event] = []
        end = run.journal.subscribe(heard.append)
        mark = run.mark("here", test="mine")
        run.journal.record("note", "one", why="because")
        wait_for_condition(lambda: len(heard) == 2, within_s=60)
        end()

    assert mark.data["label"] == "here"
    assert mark in holder.run.journal.events
    assert [(event.kind, event.service) for event in heard] == [("mark", ""), ("note", "one")]


def test_faults_are_begun_and_ended_by_the_holder_and_noted_once(hold: Hold) -> None:
    holder = hold(listener("one"))
    with attach() as run:
        with run["one"].paused(longest_s=30.0) as fault:
            assert holder.run["one"].state == "paused"
            assert fault.is_active
        assert holder.run["one"].state == "ready"
        with run["one"].killed():
            assert run["one"].state == "stopped"
        assert run["one"].state == "ready"
        with pytest.raises(StackError, match="no port that its clients reach through a proxy"):
            run["one"].link(latency_ms=5).begin()
        assert run.faults.active == ()
    phases = [event.data["phase"] for event in holder.run.journal.events if event.kind == "fault"]
    assert phases == ["begin", "end"] * 2


def test_two_who_add_at_once_both_get_theirs(hold: Hold) -> None:
    holder = hold(sleeper("one"))
    names: list[str] = []

    def add() -> None:
        with attach() as run, run.add(listener("more", after_s=0.05)) as handle:
            names.append(handle.name)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert min(names) == "more"
    assert len(names) == 4
    assert list(holder.run) == ["one"]


@contextmanager
def visitor_of(entry: Entry) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as visitor, short_path(Path(entry.socket)) as path:
        visitor.connect(path)
        yield visitor


@pytest.mark.parametrize("said", [b"\x00\xff\n", b"{}\n", b'{"word": "add", "declaration": {"name": 1}}\n', b"[" * 5000 + b"\n"])
def test_whatever_a_visitor_says_the_stack_stays(hold: Hold, said: bytes) -> None:
    holder = hold(sleeper("one"))
    with visitor_of(holder.entry) as visitor:
        visitor.sendall(said)
        assert b'"error"' in visitor.recv(1 << 16)
        visitor.sendall(b"cut off in the mid")
    with visitor_of(holder.entry) as visitor:
        with suppress(BrokenPipeError):  # it hangs up as soon as it has had enough
            visitor.sendall(b"x" * (5 << 20))
        assert b"more than" in visitor.recv(1 << 16)

    with attach() as run:
        assert run["one"].state == "ready"


def test_a_wrong_word_is_an_error_of_its_kind_and_the_next_one_works(hold: Hold) -> None:
    holder = hold(sleeper("one"))
    with Channel(holder.entry.socket) as channel:
        with pytest.raises(WireError, match="no such word"):
            channel.ask("sing")
        with pytest.raises(StackError, match="no service 'two'"):
            channel.ask("look", service="two")
        assert channel.ask("look", service="one")["state"] == "ready"


def test_a_stack_is_found_by_its_declaration_and_the_error_says_what_is_up(hold: Hold) -> None:
    holder = hold(sleeper("one"))

    assert with_fingerprint(holder.entry.fingerprint) == holder.entry
    with pytest.raises(StackError, match=rf"fingerprint 0123.*{holder.run.id} \(small\).*testbeam up"):
        with_fingerprint("0123")


def test_the_socket_is_only_for_its_owner_and_the_end_leaves_nothing(hold: Hold, runtime_folder: Path) -> None:
    holder = hold(sleeper("one"))
    path = Path(holder.entry.socket)
    assert path.stat().st_mode & 0o777 == 0o600
    before = threading.enumerate()
    run = attach()
    wait_for_condition(lambda: [thread for thread in threading.enumerate() if thread not in before], within_s=60)  # the visitor's

    run.channel.ask("end")
    assert holder.told_to_end.wait(60)
    run.close()

    wait_for_condition(lambda: not [thread for thread in threading.enumerate() if thread not in before], within_s=60)
    assert registry.entries() == (holder.entry,)


def test_who_has_joined_a_stack_that_ends_is_told(hold: Hold, tmp_path: Path) -> None:
    holder = hold(sleeper("one"))
    run = AttachedRun(holder.entry)
    Path(holder.entry.socket).unlink()
    with pytest.raises(StackError, match=r"does not answer.*testbeam ps"):
        AttachedRun(holder.entry)
    run.close()
