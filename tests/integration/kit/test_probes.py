"""Readiness probes against services that answer oddly: elsewhere, slowly, in half lines, or not at all."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from testbeam.clients.waiting import wait_for_condition
from testbeam.errors import NotReady
from testbeam.kit.probes.all_of import all_of
from testbeam.kit.probes.command import CommandSucceeds
from testbeam.kit.probes.file import FileExists
from testbeam.kit.probes.http import HttpAnswers
from testbeam.kit.probes.log_line import LogLine
from testbeam.kit.spec import ProbeResult, Service, ServiceView
from testbeam.kit.stack import Stack
from tests.integration.kit.small_services import is_alive, python, sleeper

Answer = Callable[[socket.socket], None]


@contextmanager
def http_server(answer: Answer) -> Iterator[str]:
    """Serve one connection after the other, each by `answer`; give its URL."""
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with suppress(OSError):
                client, _ = server.accept()
                threading.Thread(target=one, args=(client,), daemon=True).start()

    def one(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(4096)
            answer(client)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/health"
        over.set()
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        thread.join(60)


def says(text: str) -> Answer:
    return lambda client: client.sendall(text.encode())


def drips(text: str) -> Answer:
    def answer(client: socket.socket) -> None:
        for letter in text:
            client.sendall(letter.encode())
            threading.Event().wait(0.3)

    return answer


def external(url: str, status: int = 200, **fields: object) -> Stack:
    probe = HttpAnswers(url, status=status)
    return Stack(Service("web", external=True, endpoints={"web": url}, ready=probe, ready_timeout_s=2, **fields))  # type: ignore[arg-type]


def elsewhere(to: str) -> Answer:
    return says(f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")


def test_a_redirection_is_the_answer_and_is_not_followed() -> None:
    asked: list[int] = []

    def fine(client: socket.socket) -> None:
        asked.append(1)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with http_server(fine) as target, http_server(elsewhere(target)) as url:
        with external(url, status=302).run() as run:
            assert run["web"].last_seen == f"{url} answers 302"
        with pytest.raises(NotReady, match=f"{url} answers 302"), external(url).run():
            pass

    assert asked == []


@pytest.mark.parametrize("text", ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.0 204\r\n\r\n", "HTTP/1.1 204 \n"])
def test_any_form_of_a_status_line_is_understood(text: str) -> None:
    with http_server(says(text)) as url, external(url, status=204).run() as run:
        assert run["web"].last_seen.endswith("answers 204")


@pytest.mark.parametrize("answer", [says("220 smtp.example ESMTP\r\n"), says(""), says("\x00\xff" * 3000)])
def test_what_is_no_http_is_not_ready(answer: Answer) -> None:
    with http_server(answer) as url, pytest.raises(NotReady, match="which is no HTTP"), external(url).run():
        pass


@pytest.mark.parametrize("answer", [drips("HTTP/1.1 200 OK\r\n" + "X: y\r\n" * 1000), lambda _: threading.Event().wait(60)])
def test_a_server_that_drips_or_says_nothing_holds_no_start(answer: Answer) -> None:
    with http_server(answer) as url, pytest.raises(NotReady, match="no whole status line within 1 s"), external(url).run():
        pass


def test_headers_that_drip_after_the_status_line_are_not_waited_for() -> None:
    def answer(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\n")
        threading.Event().wait(30)

    with http_server(answer) as url, external(url).run() as run:
        assert run["web"].ready_s is not None


class Hangs:
    """A probe of somebody's own that does not return."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def __repr__(self) -> str:
        return "Hangs()"

    def check(self, _service: ServiceView) -> ProbeResult:
        self.over.wait(60)
        return ProbeResult(ready=True, detail="at last")


def test_a_probe_that_does_not_return_fails_the_start_within_its_time_and_is_named() -> None:
    probe = Hangs()
    with pytest.raises(NotReady, match=r"'one' was not ready after .* s: probe Hangs\(\) has not returned"):
        Stack(sleeper("one", ready=probe, ready_timeout_s=0.2)).run().start()
    probe.over.set()


def test_an_after_ready_that_does_not_return_is_named() -> None:
    over = threading.Event()
    with pytest.raises(NotReady, match="after_ready has not returned"):
        Stack(sleeper("one", after_ready=lambda _: over.wait(60), ready_timeout_s=0.2)).run().start()
    over.set()


def test_the_end_of_a_service_is_told_at_once_though_its_probe_hangs() -> None:
    probe = Hangs()
    service = Service("one", command=("sh", "-c", "exit 7"), ready=probe, ready_timeout_s=100)
    with pytest.raises(Exception, match="'one' exited with code 7"):
        Stack(service).run().start()
    probe.over.set()


# --- commands ---


def with_command(*argv: str, timeout_s: float = 5.0, ready_timeout_s: float = 20.0) -> Stack:
    return Stack(sleeper("one", ready=CommandSucceeds(argv, timeout_s=timeout_s), ready_timeout_s=ready_timeout_s))


@pytest.mark.parametrize(
    "script",
    [
        "sleep 1000 & echo $! > pid",
        "setsid sleep 1000 & echo $! > pid",
        "env -i PATH=/bin:/usr/bin setsid sleep 1000 & echo $! > pid",
        "(env -i PATH=/bin:/usr/bin setsid sleep 1000 & echo $! > pid)",
    ],
)
def test_a_probe_that_leaves_something_running_is_ready_and_what_it_left_is_gone(script: str) -> None:
    with with_command("sh", "-c", f"{script}; exit 0").run() as run:
        pid = int((run["one"].folder / "pid").read_text())
        wait_for_condition(lambda: not is_alive(pid), within_s=60)
        assert run["one"].is_running()


def test_a_probe_that_takes_too_long_is_killed_with_its_children() -> None:
    run = with_command("sh", "-c", "sleep 1000 & echo $! >> pids; wait", timeout_s=0.2, ready_timeout_s=1.0).run()
    with pytest.raises(NotReady, match=r"took longer than 0\.2 s"):
        run.start()
    pids = (run.folder / "one" / "pids").read_text().split()
    assert len(pids) > 1
    assert not [pid for pid in pids if is_alive(int(pid))]


def test_what_a_command_says_and_how_it_ends_is_told() -> None:
    with with_command("true").run() as run:
        one = run["one"]
        said = one.call(("sh", "-c", "echo out; echo err >&2; pwd; exit 3"))
        assert (said.exit_code, said.output) == (3, f"out\nerr\n{one.folder}\n")
        assert one.call(("sleep", "1000"), within_s=0.1).exit_code is None
        assert not list((run.folder / "log").glob("*.call-*"))
        with pytest.raises(Exception, match="command not found: 'no-such-program'"):
            one.call(("no-such-program",))


# --- logs ---


def logging(code: str, **fields: object) -> Service:
    return python("one", f"import sys, time\n{code}\ntime.sleep(1000)", **fields)


def test_half_a_line_is_not_a_line(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    code = f"""
import os
sys.stdout.write("server is ready"); sys.stdout.flush()
while not os.path.exists({str(gate)!r}): time.sleep(0.01)
sys.stdout.write(" to be configured\\nserver is ready\\n"); sys.stdout.flush()
"""
    run = Stack(logging(code, ready=LogLine(r"^server is ready$"))).run()
    seen: list[str] = []

    def start() -> None:
        run.start()
        seen.append("ready")

    thread = threading.Thread(target=start, daemon=True)
    thread.start()
    wait_for_condition(lambda: run["one"].log_tail() == ["server is ready"], within_s=60)
    thread.join(0.3)
    assert seen == []
    gate.touch()
    thread.join(60)
    assert seen == ["ready"]
    run.stop()


def test_the_begin_of_a_line_is_the_begin_of_a_line() -> None:
    code = 'print("not ready"); print("x" * 9_000_000 + "ready"); print("still not ready"); sys.stdout.flush()'
    with pytest.raises(NotReady), Stack(logging(code, ready=LogLine("^ready"), ready_timeout_s=1)).run():
        pass


def test_a_line_after_300_megabytes_of_log_is_found() -> None:
    code = """
block = ("x" * 99 + "\\n") * 100_000
for _ in range(30): sys.stdout.write(block)
print("at last ready"); sys.stdout.flush()
"""
    with Stack(logging(code, ready=LogLine("^at last ready$"), ready_timeout_s=120)).run() as run:
        assert run["one"].log_path.stat().st_size > 300_000_000


def test_a_line_has_to_come_as_often_as_is_asked() -> None:
    code = 'print("worker ready"); print("worker ready", "worker ready"); sys.stdout.flush()'
    with Stack(logging(code, ready=LogLine("worker ready", times=2))).run():
        pass
    with pytest.raises(NotReady, match="matches 'worker ready' 3 times, but 2"):
        Stack(logging(code, ready=LogLine("worker ready", times=3), ready_timeout_s=0.5)).run().start()


def test_a_line_that_was_found_stays_found_while_another_probe_is_not_ready() -> None:
    code = 'print("ready", flush=True); time.sleep(0.5); open("there", "w").close()'
    with Stack(logging(code, ready=all_of(LogLine("^ready$"), FileExists("there")), ready_timeout_s=60)).run():
        pass
