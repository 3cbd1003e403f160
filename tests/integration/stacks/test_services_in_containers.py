"""What becomes of a service in a container, whoever ends first; the engine is a stand-in that keeps its containers to itself."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testbeam.doctor import processes as doctor
from testbeam.errors import ServiceDied, StackError
from testbeam.kit.containers import engine as engines
from testbeam.kit.containers import engine_commands, leftovers
from testbeam.kit.containers.container import in_container, run_argv
from testbeam.kit.containers.engine_commands import Container
from testbeam.kit.containers.handle import ContainerHandle
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.spec import Port, Service
from testbeam.kit.stack import Stack
from testbeam.kit.state import State
from tests.integration.kit.runners import ROOT, until, until_gone
from tests.integration.kit.small_services import is_alive
from tests.integration.stacks.conftest import Engine

_LISTEN = """
import os, socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("mode", os.environ["MODE"], flush=True)
while True:
    server.accept()[0].close()
"""


def box(engine: Engine, *arguments: str, **fields: Any) -> Service:
    """Return a service in a container that runs these words."""
    return in_container("box", Container(image="any", engine=engine.program, env={"MODE": "test"}), arguments=arguments, **fields)


def listening(engine: Engine, **fields: Any) -> Service:
    """Return one that listens on its published port."""
    code = (sys.executable, "-u", "-c", _LISTEN, "${address}", "${port.main}")
    return box(engine, *code, ports=(Port(name="main"),), ready=PortListens("main"), **fields)


def test_it_is_ready_through_its_published_port_and_ends_with_the_run(engine: Engine) -> None:
    with Stack(listening(engine)).run() as run:
        (row,) = engine.containers()
        assert row["id"] == f"testbeam-{run.id}-box"
        assert row["labels"] == {"testbeam.run": run.id, "testbeam.service": "box", "testbeam.owner": engine_commands.owner()}
        pid = row["pid"]

    assert not is_alive(pid)
    assert engine.containers() == []


def test_pause_reaches_into_the_container(engine: Engine) -> None:
    with Stack(listening(engine)).run() as run:
        handle = run["box"]
        pid = engine.containers()[0]["pid"]

        handle.pause()
        assert _state(pid) == "T"
        assert handle.state == "paused"

        handle.resume()
        until(lambda: _state(pid) in "SR", 60)
        assert handle.state == "ready"


def test_kill_and_start_give_a_new_container_on_the_same_port(engine: Engine) -> None:
    with Stack(listening(engine)).run() as run:
        handle = run["box"]
        assert isinstance(handle, ContainerHandle)
        first, port = engine.containers()[0]["pid"], handle.ports["main"]

        handle.kill()
        assert not is_alive(first)
        assert handle.state is State.STOPPED

        handle.start()
        assert engine.containers()[0]["pid"] != first
        assert handle.ports["main"] == port


def test_stop_asks_the_container_to_end(engine: Engine) -> None:
    with Stack(listening(engine)).run() as run:
        run["box"].stop()

        assert engine.containers() == []
        assert run["box"].state is State.STOPPED
        run["box"].stop()  # once more is no error


def test_one_that_ignores_sigterm_is_removed_at_the_end(engine: Engine) -> None:
    stubborn = box(engine, "sh", "-c", "trap '' TERM; while :; do sleep 0.05; done", stop_timeout_s=0.3)

    with Stack(stubborn).run():
        until(lambda: bool(engine.containers()), 60)
        pid = engine.containers()[0]["pid"]

    until_gone([pid], 5)


def test_an_early_death_is_told_with_the_exit_code(engine: Engine) -> None:
    dying = box(engine, "sh", "-c", "exit 7", ready=PortListens("main"), ports=(Port(name="main"),))

    with pytest.raises(ServiceDied, match="service 'box' exited with code 7"), Stack(dying).run():
        pass


def test_the_engine_s_refusal_is_told(engine: Engine) -> None:
    service = listening(engine)
    broken = service.configured(command=(*service.command[:2], "--no-such-flag", *service.command[2:]))

    with pytest.raises(ServiceDied, match="unknown flag: --no-such-flag"), Stack(broken).run():
        pass


def test_a_killed_runner_leaves_no_container(engine: Engine, tmp_path: Path) -> None:
    runner = _runner(tmp_path, engine)
    pid = engine.containers()[0]["pid"]

    runner.kill()
    runner.wait()

    until_gone([pid], 5)
    until(lambda: engine.containers() == [], 60)


def test_what_outlives_runner_and_guard_is_found_by_its_label_and_removed(engine: Engine, tmp_path: Path) -> None:
    runner = _runner(tmp_path, engine)
    run_id = (tmp_path / "said").read_text()
    pid = engine.containers()[0]["pid"]
    assert leftovers.find(engine.program) == (), "the run still lives"

    _kill_all(run_id, runner)

    assert [(one.run_id, one.service) for one in leftovers.find(engine.program)] == [(run_id, "box")]
    assert f"box of run {run_id}" in doctor.look_at_containers().detail
    assert doctor.remove_leftovers() == 1
    until_gone([pid], 5)


def test_an_engine_that_does_not_answer_is_told_with_the_ways_out(tmp_path: Path) -> None:
    mute = tmp_path / "mute"
    mute.write_text("#!/bin/sh\necho 'permission denied on the socket' >&2\nexit 1\n")
    mute.chmod(0o755)

    with pytest.raises(
        StackError, match=r"(?s)no container engine answers: \S*mute is installed, and says: permission denied.*Ways out:.*podman"
    ):
        engines.find({"TESTBEAM_CONTAINER_ENGINE": str(mute)})


def test_an_engine_that_hangs_is_given_up(tmp_path: Path) -> None:
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 1000\n")
    hanging.chmod(0o755)

    assert engines.ask(str(hanging), timeout_s=0.2).trouble == "does not answer within 0.2 s"


@pytest.mark.skipif(shutil.which("docker") is None, reason="Docker's command line is not installed")
def test_docker_s_own_command_line_understands_every_word() -> None:
    full = Container(image="redis:7", network="host", env={"A": "1"}, volumes=("/x:/y:ro",), user="1:1", options=("--memory", "1g"))
    lines = [
        run_argv(full, (), ("serve",)),
        run_argv(Container(image="redis:7", options=("-p", "127.0.0.1:9:9")), ()),
        engine_commands.stop("docker", "n", 9),
        engine_commands.kill("docker", "n"),
        engine_commands.pause("docker", "n"),
        engine_commands.unpause("docker", "n"),
        engine_commands.remove("docker", "n"),
        engine_commands.list_ours("docker", "0@h"),
        engines.image_argv("docker", "i"),
    ]
    for line in lines:
        plain = [word.replace("${run_id}", "r").replace("${name}", "n") for word in line]
        done = subprocess.run(plain, env=os.environ | {"DOCKER_HOST": "unix:///no/such/socket"}, capture_output=True, text=True, timeout=60)
        assert "annot connect" in done.stderr or "failed to connect" in done.stderr, done.stderr


def _runner(folder: Path, engine: Engine) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-m", "tests.integration.stacks.container_runner", str(folder)]
    runner = subprocess.Popen(argv, cwd=ROOT, start_new_session=True)
    until(lambda: (folder / "said").exists() or runner.poll() is not None, 60)
    until(lambda: bool(engine.containers()) or runner.poll() is not None, 60)
    assert runner.poll() is None
    return runner


def _kill_all(run_id: str, runner: "subprocess.Popen[bytes]") -> None:
    """Kill guard, watcher and runner at once, so that nobody is left to clean up."""
    from testbeam.kit import guard

    pids = [*guard.descendants(runner.pid), runner.pid]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    runner.wait()
    until(lambda: not guard.marked(run_id), 60)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
