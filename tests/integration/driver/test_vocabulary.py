"""Each word of the vocabulary, on machines of plain commands; what must not hang has a limit that is far above what it takes."""

import time
from pathlib import Path

import pytest

from tests.integration.driver.conftest import RunCheck

ONE = '[machines.machine.units.sleeper]\ncommand = ["sleep", "60"]\n'
LISTENER = """
[machines.machine.units.listener]
command = ["${python}", "-c", "import socket,time; s=socket.create_server(('${address}',7777)); time.sleep(60)"]
"""


def passes(run_check: RunCheck, script: str, toml: str = ONE) -> None:
    ended = run_check(script, toml)
    assert ended.code == 0, ended.errors


def test_commands_exit_codes_and_output(run_check: RunCheck) -> None:
    passes(
        run_check,
        r"""
assert machine.succeed("echo a", "echo b") == "a\nb\n"
machine.fail("false")
machine.fail("false | cat")                      # pipefail
machine.fail("echo $UNSET_VARIABLE")             # nounset
assert machine.execute("echo out; echo err >&2; exit 3") == (3, "out\n")
assert machine.execute("sleep 5", timeout=0.2)[0] == 124
assert machine.execute("printf 'a\\xffb'")[1] == "a\ufffdb"
machine.succeed("echo x > made")
machine.wait_for_file("made")
machine.copy_from_machine("made")
machine.copy_from_host(__file__, "script")
assert "copy_from_host" in machine.succeed("cat script")
t.assertEqual(machine.succeed("echo -n $TESTBEAM_MACHINE"), "machine")
""",
    )


def test_units_and_what_systemctl_says(run_check: RunCheck) -> None:
    passes(
        run_check,
        """
start_all()
machine.wait_for_unit("sleeper.service")
machine.wait_for_unit("default.target")
machine.require_unit_state("sleeper", "active")
assert machine.get_unit_info("sleeper")["ActiveState"] == "active"
assert int(machine.get_unit_property("sleeper", "MainPID")) > 0
machine.succeed("systemctl is-active sleeper")
machine.succeed("systemctl restart sleeper && systemctl status sleeper")
machine.stop_job("sleeper")
assert machine.systemctl("is-active sleeper") == (3, "inactive\\n")
machine.start_job("sleeper")
machine.wait_for_unit("sleeper")
machine.succeed("journalctl -u sleeper")
""",
    )


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ('machine.wait_for_unit("nothing.service")', ("machine 'machine' has no unit 'nothing.service'", "sleeper.service")),
        ('machine.wait_for_unit("late.service")', ("'late.service' of machine 'machine' is inactive", "start_job('late')")),
        ('machine.wait_for_unit("broken"); machine.sleep(0.3); machine.wait_for_unit("broken")', ("is failed", "exit")),
        ('machine.succeed("exit 7")', ("exit code 7", "machine 'machine'")),
        ('machine.fail("true")', ("unexpectedly succeeded",)),
        ('machine.screenshot("x")', ("needs a screen",)),
        ('machine.copy_from_host("a", "/etc/b")', ("relative to its own folder",)),
        ("machine.block()", ("private = true",)),
    ],
)
def test_what_can_not_be_is_refused_at_once_in_one_sentence(script: str, words: tuple[str, ...], run_check: RunCheck) -> None:
    toml = ONE + '[machines.machine.units.late]\ncommand = ["true"]\nwanted = false\n[machines.machine.units.broken]\ncommand = ["false"]\n'
    begin = time.monotonic()
    ended = run_check(script, toml)
    problem = ended.answer["checks"][0]["problem"]
    assert ended.code == 1
    assert all(word in problem for word in words), problem
    assert "Traceback" not in ended.errors
    assert time.monotonic() - begin < 20


WAITS = {
    "wait_until_fails": 'machine.wait_until_fails("true", timeout=1)',
    "wait_until_succeeds": 'machine.wait_until_succeeds("false", timeout=1)',
    "wait_for_open_port": "machine.wait_for_open_port(1, timeout=1)",
    "wait_for_closed_port": "machine.wait_for_closed_port(7777, timeout=1)",
    "wait_for_file": 'machine.wait_for_file("never", timeout=1)',
    "wait_for_open_unix_socket": 'machine.wait_for_open_unix_socket("never", timeout=1)',
    "wait_for_console_text": 'machine.wait_for_console_text("never", timeout=1)',
    "retry": "retry(lambda last: False, timeout=1)",
}


def test_every_wait_ends_at_its_deadline(run_check: RunCheck) -> None:
    calls = "".join(f"expired(lambda: {call})\n" for call in WAITS.values())
    script = f"""
import time
machine.wait_for_open_port(7777)
def expired(call):
    begin = time.monotonic()
    try:
        call()
    except RequestedAssertionFailed:
        assert 0.9 < time.monotonic() - begin < 5, time.monotonic() - begin
        return
    raise Exception("did not raise")
{calls}
last = []
try:
    retry(lambda is_last: last.append(is_last), timeout=0.2)
except RequestedAssertionFailed:
    pass
assert last[-1] is True and last.count(True) == 1
"""
    passes(run_check, script, LISTENER)


def test_a_condition_that_turns_false_ends_any_wait(run_check: RunCheck) -> None:
    ended = run_check(
        """
import time
begin = time.monotonic()
@polling_condition(seconds_interval=0.1)
def early():
    "still early"
    return time.monotonic() - begin < 0.5
with early():
    machine.wait_for_console_text("never", timeout=30)
""",
        ONE,
    )
    assert ended.code == 1
    assert "still early" in ended.answer["checks"][0]["problem"]
    assert ended.answer["seconds"] < 20


def test_console_text_is_found_among_many_lines(run_check: RunCheck) -> None:
    toml = """
[machines.machine.units.chatty]
command = ["${python}", "-c", "import time\\nfor i in range(10000): print('line', i)\\nprint('the end\\\\nof it'); time.sleep(60)"]
"""
    passes(run_check, 'machine.wait_for_console_text(r"end\\nof")\nassert "the end" in machine.get_console_log()\n', toml)


def test_a_command_that_leaves_a_process_with_its_output_does_not_hang(run_check: RunCheck) -> None:
    ended = run_check('machine.succeed("sleep 60 &")', ONE)
    assert ended.code == 0, ended.errors
    assert "still holds its output" in ended.errors
    assert ended.answer["seconds"] < 30


def test_the_time_of_the_whole_test_is_limited(run_check: RunCheck) -> None:
    ended = run_check('machine.wait_for_console_text("never")', "timeout_s = 1\n" + ONE)
    assert ended.code == 1
    assert "waiting for 'never' to appear on console" in ended.answer["checks"][0]["problem"]


def test_crash_and_reboot(run_check: RunCheck, tmp_path: Path) -> None:
    toml = LISTENER + '[machines.other.units.sleeper]\ncommand = ["sleep", "60"]\n'
    script = """
start_all()
machine.wait_for_open_port(7777)
other.wait_for_open_port(7777, "machine")
machine.crash()
assert not machine.is_up()
other.wait_for_closed_port(7777, "machine")
machine.reboot()
machine.wait_for_open_port(7777)
assert machine.boots == 2
machine.shutdown()
join_all()
"""
    passes(run_check, script, toml)


def test_nothing_of_a_failed_test_is_left(run_check: RunCheck) -> None:
    mark = "sleep 61.357"
    ended = run_check(
        f'machine.execute("{mark} >/dev/null 2>&1 & disown")\nmachine.succeed("false")',
        f'[machines.machine.units.a]\ncommand = ["sh", "-c", "{mark} & wait"]\n',
    )
    assert ended.code == 1
    commands = [path.read_bytes().replace(b"\0", b" ") for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [command for command in commands if mark.encode() in command]


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("", ("machines", "there is none")),
        ("[machines.m.units.u]\n", ("machines.m.units.u", "exactly one of")),
        ('[machines.m.units.u]\ncommand = ["a"]\nnope = 1\n', ("machines.m.units.u.nope", "no such key")),
        ('[machines.m.units.u]\ncommand = ["a"]\nafter = ["x"]\n', ("after", "no unit 'x'")),
        ("[machines", ("check.toml",)),
        ("timeout_s = -1\n[machines.m]\n", ("timeout_s", "above 0")),
    ],
)
def test_a_wrong_toml_file_is_told_with_the_key(toml: str, words: tuple[str, ...], run_check: RunCheck) -> None:
    ended = run_check("pass", toml)
    assert ended.code == 3
    assert all(word in ended.errors for word in words), ended.errors


def test_a_script_imports_what_lies_beside_it(run_check: RunCheck) -> None:
    script = "from steps import shout\nassert shout(machine) == 'A'\n"
    ended = run_check(script, ONE, files={"steps.py": "def shout(machine): return 'A'\n"})

    assert ended.code == 0, ended.errors
