import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.plugin.test_debugger_option import let_go_on, told_pid

if TYPE_CHECKING:
    from testbeam.stacks.roles.broker.declaration import BrokerHandle


def verify(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "testbeam", "verify", *words]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


def test_a_suite_runs_against_a_service_that_runs_elsewhere_and_leaves_its_logs(tmp_path: Path, shared_broker: "BrokerHandle") -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")  # a project's own settings are none of ours
    (tmp_path / "conftest.py").write_text("raise RuntimeError('not ours')\n")

    done = verify(tmp_path, "broker", "--external", shared_broker.bootstrap, "-k", "topic", "--json", "answer.json")

    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer["ok"]
    assert answer["passed"] >= 3
    assert (answer["failed"], answer["expected_failures"]) == (0, 0)
    assert answer["subject"] == [f"external:broker={shared_broker.bootstrap}"]
    assert (tmp_path / "runtime/verify-broker/log").is_dir()


def test_a_build_that_is_no_broker_fails_with_code_3_and_says_so(tmp_path: Path) -> None:
    done = verify(tmp_path, "broker", "--command", f"{sys.executable} -c 'raise SystemExit(7)'", "-k", "missing", "--json", "answer.json")

    assert done.returncode == 3, done.stdout + done.stderr
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert (answer["ok"], answer["passed"], answer["failed"]) == (False, 0, 1)
    assert "code 7" in answer["tests"][0]["why"]


def test_a_role_that_has_no_suite_is_named_at_once(tmp_path: Path) -> None:
    done = verify(tmp_path, "brokr", "--json", "answer.json")

    assert done.returncode == 2
    assert "did you mean broker?" in done.stderr
    assert json.loads((tmp_path / "answer.json").read_text())["ok"] is False


def test_the_file_writer_s_suite_runs_against_a_program_in_the_place_of_the_field_s(tmp_path: Path) -> None:
    program = tmp_path / "build" / "bin" / "kafka-to-nexus"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m testbeam.services.filewriter "$@"\n')
    program.chmod(0o755)

    done = verify(
        tmp_path, "filewriter", "--local-build", str(tmp_path / "build"), "-k", "blank_file or live_events", "--json", "answer.json"
    )

    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert (answer["ok"], answer["passed"], answer["failed"]) == (True, 2, 0)
    assert answer["subject"] == [f"local_build:filewriter={tmp_path / 'build'}"]


def test_a_forwarder_of_one_s_own_is_held_for_a_debugger_as_its_documents_ask_for_it(tmp_path: Path) -> None:
    build = tmp_path / "build"
    build.mkdir()
    (build / "forwarder_launch.py").write_text("import runpy\nrunpy.run_module('testbeam.services.forwarder', run_name='__main__')\n")
    words = ("--local-build", str(build), "--wait-to-attach-debugger", "true", "--build", "none", "-k", "all_are_removed_at_once")
    argv = [sys.executable, "-m", "testbeam", "verify", "forwarder", *words, "--json", "answer.json"]

    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            let_go_on(told_pid(process, "forwarder"))
            said = process.communicate(timeout=100)[0]
        finally:
            process.kill()

    assert process.returncode == 0, said
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert (answer["ok"], answer["passed"]) == (True, 1)
