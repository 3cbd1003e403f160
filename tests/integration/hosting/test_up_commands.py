import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbeam.clients.waiting import wait_for_condition
from testbeam.hosting import registry
from testbeam.kit.probing import kernel_state
from tests.integration.cli.commands import heed_ctrl_c
from tests.integration.kit.small_services import is_alive

FILE = """
[stack]
name = "tiny"

[services.talker]
command = ["sh", "-c", "echo hello from talker; exec sleep 1000"]

[services.other]
command = ["sh", "-c", "echo hello from other; exec sleep 1000"]
needs = ["talker"]
"""

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def testbeam(tmp_path: Path) -> Command:
    (tmp_path / "testbeam.toml").write_text(FILE)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "testbeam", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def states(testbeam: Command) -> list[dict[str, str]]:
    return [one["services"] for one in json.loads(testbeam("ps", "--json").stdout)]


def test_a_stack_is_started_listed_read_restarted_and_ended(testbeam: Command) -> None:
    up = testbeam("up", "--detach")
    assert up.returncode == 0, up.stderr
    assert "(tiny) is up in" in up.stdout
    assert states(testbeam) == [{"talker": "ready", "other": "ready"}]
    (entry,) = registry.entries()
    assert entry.id in testbeam("ps").stdout

    logs = testbeam("logs")
    assert re.search(r"^talker \| hello from talker$", logs.stdout, re.M)
    assert re.search(r"^other  \| hello from other$", logs.stdout, re.M)
    assert testbeam("logs", "talker").stdout == "hello from talker\n"

    restart = testbeam("restart", "other")
    assert "other is ready, pid" in restart.stdout
    assert testbeam("logs", "other").stdout == "hello from other\n" * 2

    down = testbeam("down")
    assert (down.returncode, down.stdout) == (0, f"stack {entry.id} (tiny) has ended\n")
    assert not is_alive(entry.pid)
    assert states(testbeam) == []


def test_with_several_up_each_command_asks_which_and_takes_a_name(testbeam: Command) -> None:
    for name in ("one", "two"):
        assert testbeam("up", "-d", "--name", name).returncode == 0

    for words in (("down",), ("logs",), ("restart", "talker")):
        answer = testbeam(*words)
        assert answer.returncode != 0
        assert re.search(r"2 stacks are up; say which.*\(one\).*\(two\)", answer.stderr), words
    assert testbeam("logs", "talker", "--stack", "two").stdout == "hello from talker\n"
    assert "(one) has ended" in testbeam("down", "one").stdout
    assert [entry.name for entry in registry.entries()] == ["two"]
    assert "(two) has ended" in testbeam("down", "--all").stdout
    assert testbeam("down").returncode == 0  # nothing is up, which is what was asked for


def test_logs_follow_until_the_stack_ends(testbeam: Command, tmp_path: Path) -> None:
    testbeam("up", "-d")
    command = [sys.executable, "-m", "testbeam", "logs", "-f", "talker"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "hello from talker\n"
        testbeam("restart", "talker")
        assert follower.stdout.readline() == "hello from talker\n"

        testbeam("down")

        assert follower.wait(60) == 0


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGHUP", "down"])
def test_in_the_foreground_a_stack_stays_until_it_is_told_to_end(testbeam: Command, tmp_path: Path, how: str) -> None:
    with foreground(tmp_path) as up:
        wait_for_condition(registry.entries, within_s=30)
        (entry,) = registry.entries()
        assert entry.pid == up.pid

        if how == "down":
            assert testbeam("down").returncode == 0
        else:
            up.send_signal(signal.Signals[how])

        assert up.wait(20) == 0
        assert up.stdout is not None
        assert "talker  ready" in up.stdout.read()
    assert not Path(entry.folder).exists()
    assert registry.entries() == ()


@pytest.mark.parametrize("count", [0, 1, 20_002])
def test_as_many_lines_are_printed_as_were_asked_for_and_each_is_whole(testbeam: Command, tmp_path: Path, count: int) -> None:
    code = 'for k in range(20001): print(f"{k} " + "x" * (400 if k % 1000 == 0 else 9), end="\\n\\n" if k == 5 else "\\n")'
    ends = "print('without an end', end='', flush=True); import time; time.sleep(1000)"
    words = json.dumps([sys.executable, "-c", f"{code}\n{ends}"])
    ready = '{probe = "file", path = "${log_dir}/talker.log"}'
    (tmp_path / "testbeam.toml").write_text(f"[services.talker]\ncommand = {words}\nready = {ready}\n")
    testbeam("up", "-d")
    wait_for_condition(lambda: "without an end" in testbeam("logs", "-n", "1").stdout, within_s=60)

    lines = testbeam("logs", "talker", "-n", str(count)).stdout.splitlines()

    whole = [f"{k} " + "x" * (400 if k % 1000 == 0 else 9) for k in range(20001)]
    whole.insert(6, "")
    assert lines == [*whole, "without an end"][-count or len(whole) + 1 :]
    testbeam("down")


def test_a_last_line_without_its_end_is_followed_too(testbeam: Command, tmp_path: Path) -> None:
    words = json.dumps(["sh", "-c", "printf 'half a line'; sleep 1000"])
    (tmp_path / "testbeam.toml").write_text(f"[services.talker]\ncommand = {words}\n")
    testbeam("up", "-d")
    command = [sys.executable, "-m", "testbeam", "logs", "-f", "talker"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "half a line\n"
        testbeam("down")
        assert follower.wait(60) == 0


SLOW = """
[stack]
name = "slow"
[services.never]
command = ["sleep", "1000"]
ready = {probe = "file", path = "there"}
ready_timeout_s = 300
"""


@pytest.mark.parametrize("detached", [True, False])
def test_a_stack_that_is_starting_is_listed_and_can_be_ended(testbeam: Command, tmp_path: Path, detached: bool) -> None:
    (tmp_path / "testbeam.toml").write_text(SLOW)
    command = [sys.executable, "-m", "testbeam", "up", *(["--detach"] if detached else [])]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        wait_for_condition(lambda: registry.entries(starting=True), within_s=30)
        (entry,) = registry.entries(starting=True)
        assert registry.entries() == ()
        assert states(testbeam) == [{"?": "starting"}]
        assert "no stack of yours is up yet, but starting: slow" in testbeam("logs").stderr

        assert testbeam("down", "slow").stdout == f"stack {entry.id} (slow) has ended\n"

        assert up.wait(20) != 0
    assert not is_alive(entry.pid)
    assert registry.entries(starting=True) == ()


@pytest.mark.parametrize("toml", [FILE, SLOW], ids=["up", "starting"])
def test_nothing_is_left_of_a_stack_whose_command_is_killed(testbeam: Command, tmp_path: Path, toml: str) -> None:
    (tmp_path / "testbeam.toml").write_text(toml)
    folder = tmp_path / "runs"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-m", "testbeam", "up"], cwd=tmp_path, env={**os.environ, "TMPDIR": str(folder)}) as up:
        wait_for_condition(lambda: [*folder.glob("testbeam-*/log/*.log")], within_s=30)
        up.kill()
    wait_for_condition(lambda: not [*folder.iterdir()], within_s=60)
    assert registry.entries(starting=True) == ()


def test_a_folder_that_is_given_stays_and_is_for_this_user_alone(testbeam: Command, tmp_path: Path) -> None:
    text = FILE + '\n[services.talker.files]\n"secret.ini" = "password = 42"\n"deep/secret.ini" = "password = 42"\n'
    (tmp_path / "testbeam.toml").write_text(text)
    before = os.umask(0o022)
    try:
        assert testbeam("up", "-d", "--folder", "mine").returncode == 0
    finally:
        os.umask(before)
    found = {path: path.stat().st_mode & 0o077 for path in [tmp_path / "mine", *(tmp_path / "mine").rglob("*")]}
    testbeam("down")

    assert {path.name for path in found} >= {"secret.ini", "events.jsonl", "talker.log", "deep"}
    assert {path: mode for path, mode in found.items() if mode} == {}
    assert (tmp_path / "mine" / "secret.ini").read_text() == "password = 42"


def test_a_service_that_ends_is_told_of_and_can_be_started_again(testbeam: Command, tmp_path: Path) -> None:
    with foreground(tmp_path) as up:
        wait_for_condition(registry.entries, within_s=30)
        pid = child_of(guard_of(up.pid))
        os.kill(pid, signal.SIGKILL)
        wait_for_condition(lambda: "crashed" in states(testbeam)[0].values(), within_s=60)
        (broken,) = [name for name, state in states(testbeam)[0].items() if state == "crashed"]
        assert testbeam("restart", broken).returncode == 0
        assert set(states(testbeam)[0].values()) == {"ready"}

        up.send_signal(signal.SIGINT)

        up.wait(20)
        assert up.stdout is not None
        assert re.search(rf"{broken} crashed: was ended by SIGKILL", up.stdout.read())


@contextmanager
def foreground(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "testbeam", "up"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c) as up:
        try:
            yield up
        finally:
            up.kill()


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def guard_of(runner_pid: int) -> int:
    """Return the guard of a runner: the child of its only child."""
    return child_of(child_of(runner_pid))


def test_an_error_is_shown_the_same_with_and_without_detach(testbeam: Command, tmp_path: Path) -> None:
    (tmp_path / "testbeam.toml").write_text('[services.bad]\ncommand = ["no-such-program"]\n')

    for words in (("up",), ("up", "--detach")):
        answer = testbeam(*words)
        assert answer.returncode != 0
        assert "service 'bad' could not be started: command not found: 'no-such-program'" in answer.stderr
        assert "Traceback" not in answer.stderr
    assert registry.entries() == ()


def test_a_broker_command_means_the_broker_of_the_only_stack(testbeam: Command, tmp_path: Path) -> None:
    none = testbeam("topic", "ls")
    assert "no stack of yours" in none.stderr
    (tmp_path / "testbeam.toml").write_text(
        '[services.broker]\ncommand = ["sleep", "1000"]\nports = ["main"]\nendpoints = {kafka = "127.0.0.1:${port.main}"}\n'
    )
    testbeam("up", "-d")
    (entry,) = registry.entries()
    from testbeam.cli.bootstrap import bootstrap_of

    assert bootstrap_of("") == entry.endpoints["broker"]["kafka"]
    testbeam("up", "-d", "--name", "second")
    assert re.search("2 stacks of yours are running", testbeam("topic", "ls").stderr)
    testbeam("down", "--all")


def test_a_service_is_held_for_a_debugger_and_the_stack_goes_on_after(tmp_path: Path, testbeam: Command) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "testbeam", "up", "--wait-to-attach-debugger=other"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            pid = next(int(found[1]) for line in process.stdout if (found := re.search(r"other \(pid (\d+)\) is stopped", line)))
            wait_for_condition(lambda: kernel_state(pid) == "T", within_s=60)
            assert registry.entries() == ()  # not up yet
            os.kill(pid, signal.SIGCONT)
            wait_for_condition(lambda: states(testbeam) == [{"talker": "ready", "other": "ready"}], within_s=30)
            testbeam("down")
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_what_is_detached_can_not_be_held(testbeam: Command) -> None:
    refused = testbeam("up", "--detach", "--wait-to-attach-debugger=other")

    assert refused.returncode == 2
    assert "one of the two" in refused.stderr
