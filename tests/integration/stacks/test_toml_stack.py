"""A testbeam.toml is run, by services that any machine has."""

import subprocess
import sys
from pathlib import Path

import pytest

from testbeam.kit.containers.container import in_container
from testbeam.kit.containers.engine_commands import Container
from testbeam.stacks.toml.file import declared, load
from tests.integration.kit.runners import until
from tests.integration.stacks.conftest import Engine

TEXT = """
[stack]
name = "two"

[services.store]
command = ["${python}", "-m", "http.server", "--bind", "${address}", "--directory", "${here}/data", "${port.main}"]
ports = ["main"]
own_address = true
endpoints = {http = "http://${address}:${port.main}"}
ready = {probe = "http", url = "http://${address}:${port.main}/answer.txt"}

[services.reader]
command = ["./reader.sh", "${store.http}/answer.txt"]
needs = ["store"]
env = {PYTHON = "${python}"}
ready = [{probe = "log", pattern = "read 42"}, {probe = "file", path = "done"}]
"""
READER = """#!/bin/sh
"$PYTHON" -c 'import sys, urllib.request as u; print("read", u.urlopen(sys.argv[1]).read().decode(), flush=True)' "$1"
touch done
exec sleep 1000
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A beamline's folder with a testbeam.toml, in which we are."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "answer.txt").write_text("42")
    (tmp_path / "reader.sh").write_text(READER)
    (tmp_path / "reader.sh").chmod(0o755)
    (tmp_path / "testbeam.toml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "testbeam.toml"


def test_a_stack_from_a_file_runs(file: Path) -> None:
    declaration = declared()

    assert declaration.file == file
    with declaration.stack.run() as run:
        assert "read 42" in run["reader"].get_stdout()


def test_another_process_knows_it_by_its_fingerprint(file: Path) -> None:
    program = "from testbeam.stacks.toml.file import declared; print(declared().fingerprint)"

    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=file.parent)

    assert other.stdout.strip() == load(file).fingerprint


def test_a_container_of_the_file_runs_on_the_engine_that_answers(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "testbeam.toml"
    file.write_text(
        '[services.box]\ncontainer = "any"\ncommand = ["sh", "-c", "echo mode $MODE; exec sleep 1000"]\nenv = {MODE = "test"}\n'
    )

    with load(file).stack.run():
        until(lambda: bool(engine.containers()), 60)
        (row,) = engine.containers()
        assert row["labels"]["testbeam.service"] == "box"
    assert engine.containers() == []


def test_a_container_may_be_prepared_for_and_its_image_is_fetched_first(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "testbeam.toml"
    file.write_text(
        '[services.box]\ncontainer = "any"\ncommand = ["sleep", "1000"]\nprepare = [["touch", "${here}/one"], ["touch", "${here}/two"]]\n'
    )

    with load(file).stack.run():
        until(lambda: bool(engine.containers()), 60)
        assert {"one", "two"} <= {path.name for path in tmp_path.iterdir()}

    absent = in_container("box", Container(image="absent", engine=engine.program), has_image=False, prepare=(("touch", "one"),))
    assert absent.prepare == ((engine.program, "pull", "absent"), ("touch", "one"))
