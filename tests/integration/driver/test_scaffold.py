"""What `testbeam init ioc` writes passes as it is; several checks run side by side; a prompt inside the machines."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.integration.driver.conftest import command_line


def test_the_scaffold_lints_clean_and_its_check_passes(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    assert command_line("init", "ioc", str(folder), "--name", "psu", "--prefix", "LAB:").code == 0
    linted = command_line("ioc", "lint", str(folder), "--strict")
    assert (linted.code, linted.output.strip()) == (0, "nothing found")
    ended = command_line("test", str(folder / "checks"), "--json", "-")
    assert ended.code == 0, ended.errors
    assert command_line("init", "ioc", str(folder), "--name", "psu").code == 2


def test_all_checks_of_a_folder_run_with_one_summary_junit_and_page(tmp_path: Path) -> None:
    for name, script in (
        ("good", 'with subtest("a"):\n    machine.succeed("true")\n'),
        ("bad", 'with subtest("b"):\n    machine.succeed("false")\n'),
    ):
        (tmp_path / f"{name}.py").write_text(script)
        (tmp_path / f"{name}.toml").write_text('[machines.machine.units.idle]\ncommand = ["sleep", "60"]\n')
    junit, page = tmp_path / "junit.xml", tmp_path / "page.html"
    ended = command_line("test", str(tmp_path), "--json", "-", "--junit", str(junit), "--html", str(page))
    answer = json.loads(ended.output)
    assert (ended.code, answer["passed"], answer["failed"]) == (1, 1, 1)
    cases = {(case.get("classname"), case.get("name")): len(case) for case in ET.parse(junit).iter("testcase")}
    assert cases == {("bad", "b"): 1, ("bad", "script"): 1, ("good", "a"): 0, ("good", "script"): 0}
    assert "command `false` failed (exit code 1)" in page.read_text()
    assert "1 passed, 1 failed" in ended.errors


def test_the_prompt_has_the_script_s_names_and_its_end_shuts_down(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    command_line("init", "ioc", str(folder))
    words = [sys.executable, "-m", "testbeam", "shell", str(folder / "checks" / "simple.py")]
    typed = 'start_all()\nprint("pid", machine.get_unit_property("ioc", "MainPID"))\nprint("answer", machine.succeed("echo 42"))\nexit()\n'
    ended = subprocess.run(words, input=typed, capture_output=True, text=True, timeout=60, check=False)
    assert "answer 42" in ended.stdout, ended.stdout + ended.stderr
    pid = next(word for line in ended.stdout.splitlines() if "pid " in line for word in line.split() if word.isdigit())
    assert not Path(f"/proc/{pid}").exists()
