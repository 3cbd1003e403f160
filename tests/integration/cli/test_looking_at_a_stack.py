import json
import os
import signal
import socket
from pathlib import Path

from testbeam.clients.waiting import wait_for_condition
from tests.integration.cli.commands import Commands, declare


def test_ps_tells_pids_addresses_and_where_it_looked(commands: Commands) -> None:
    none = commands.run("ps").stdout
    file = declare(commands.folder, "web")
    assert commands.run("up", "-d").returncode == 0

    told = commands.run("ps", env={"COLUMNS": "40"}).stdout
    (entry,) = json.loads(commands.run("ps", "--json").stdout)

    assert str(commands.runtime) in none
    assert entry["services"] == {"web": "ready"}
    os.kill(entry["pids"]["web"], 0)  # it is there
    assert f"pid {entry['pids']['web']}" in told
    assert entry["folder"] in told  # on one line, to be copied, however narrow the terminal is
    assert str(file) in told
    assert "caget" not in told  # it has no IOC


def test_another_stack_of_the_same_declaration_is_mentioned(commands: Commands) -> None:
    declare(commands.folder, "web")
    assert "another stack" not in commands.run("up", "-d").stdout

    assert "another stack of this declaration is up" in commands.run("up", "-d").stdout


def test_the_pvs_of_each_ioc_are_listed_and_ps_says_how_to_reach_them(commands: Commands) -> None:
    (commands.folder / "testbeam.toml").write_text(
        '[services.ioc]\nrole = "ioc"\nprefix = "A:"\n[services.other]\nrole = "ioc"\nprefix = "B:"\n'
    )
    assert commands.run("up", "-d").returncode == 0

    every, some, as_json = commands.run("pvs"), commands.run("pvs", "B:VOLT*"), commands.run("pvs", "A:V*", "--json")
    told = commands.run("ps").stdout

    assert "ioc    A:VOLT-RB" in every.stdout
    assert some.stdout.split() == ["other", "B:VOLT", "other", "B:VOLT-RB"]
    assert json.loads(as_json.stdout) == {"ioc": ["A:VOLT", "A:VOLT-RB"], "other": []}
    assert 'eval "$(testbeam env' in told
    (entry,) = json.loads(commands.run("ps", "--json").stdout)
    servers = " ".join(entry["endpoints"][name]["pva"] for name in ("ioc", "other"))
    assert f'EPICS_PVA_NAME_SERVERS="{servers}"' in told
    assert 'EPICS_CA_ADDR_LIST="127.' in told


def test_a_stack_without_an_ioc_says_so(commands: Commands) -> None:
    declare(commands.folder, "web")
    assert commands.run("up", "-d").returncode == 0

    done = commands.run("pvs")

    assert done.returncode == 3
    assert "has no IOC" in done.stderr


def test_ctrl_c_ends_a_command_that_a_dead_broker_keeps_waiting(commands: Commands) -> None:
    with socket.socket() as held:  # bound, and nobody listens
        held.bind(("127.0.0.1", 0))
        looking = commands.spawn("topic", "ls", "--bootstrap", f"127.0.0.1:{held.getsockname()[1]}")
        wait_for_condition(lambda: "rdk:main" in thread_names(looking.pid), within_s=60)

        looking.send_signal(signal.SIGINT)

        _, said = looking.communicate(timeout=7)  # where it were kept: 10 s
    assert (looking.returncode, said.splitlines()[-1]) == (130, "interrupted")


def thread_names(pid: int) -> set[str]:
    return {name.read_text().strip() for name in Path(f"/proc/{pid}/task").glob("*/comm")}


def test_a_broker_that_crashed_is_told_at_once(commands: Commands) -> None:
    assert commands.run("broker", "up", "-d").returncode == 0
    (entry,) = json.loads(commands.run("ps", "--json").stdout)
    os.kill(entry["pids"]["broker"], signal.SIGKILL)
    wait_for_condition(lambda: "crashed" in commands.run("ps").stdout, within_s=30, what="the broker has crashed")

    done = commands.run("topic", "ls")

    assert done.returncode == 3
    assert f"testbeam restart broker --stack {entry['id']}" in done.stderr
