"""Commands about NeXus files, without Kafka: what they print, and their exit codes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from testbeam.cli import commands
from testbeam.nexus import compose
from testbeam.runtime import exit_codes
from testbeam.services.filewriter.file_maker import file_maker, template_maker

Run = Callable[..., tuple[int, str, str]]
SPEED = compose.log("speed", topic="motion", source="speed", units="Hz")
STRUCTURE = compose.nexus_structure(compose.group("entry", "NXentry", compose.dataset("title", "a file"), SPEED))
DATA: dict[str, Any] = {
    "schema": "f144",
    "topic": "motion",
    "kafka_timestamp": 10_100,
    "source_name": "speed",
    "value": 3.5,
    "timestamp": 10_100,
}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return how to run a command; gives its exit code and what it printed."""

    def command(*words: str | Path) -> tuple[int, str, str]:
        code = commands.run([str(word) for word in words])
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def structure(tmp_path: Path) -> Path:
    path = tmp_path / "structure.json"
    path.write_text(STRUCTURE)
    return path


def made(run: Run, folder: Path, name: str, structure: str = STRUCTURE, **message: Any) -> Path:
    """Make a file of one message."""
    (folder / f"{name}.json").write_text(structure)
    (folder / f"{name}-data.json").write_text(json.dumps([DATA | message]))
    code, _out, _err = run(
        "filewriter", "make", "-f", folder / f"{name}.json", "-d", folder / f"{name}-data.json", "-o", folder / f"{name}.nxs"
    )
    assert code == exit_codes.OK
    return folder / f"{name}.nxs"


def test_make_says_what_was_written_left_out_and_not_understood(run: Run, tmp_path: Path) -> None:
    text = STRUCTURE.replace('"dtype": "double"', '"dtpye": "double"')
    (tmp_path / "s.json").write_text(text)
    (tmp_path / "d.json").write_text(json.dumps([DATA, DATA | {"timestamp": 20_000}, DATA | {"topic": "other"}]))

    code, out, _err = run("filewriter", "make", "-f", tmp_path / "s.json", "-d", tmp_path / "d.json", "-o", tmp_path / "a.nxs")

    assert code == exit_codes.OK
    assert "a.nxs: 1 of 3 messages" in out
    assert "left out: 1 (outside window)" in out
    assert "left out: 1 (topic not in the structure)" in out
    assert "warning:" in out
    assert "dtpye" in out


_NO_JSON = ("{", "s.json: $: Could not parse NeXus structure JSON")
_NO_MODULE = ('{"children": [{"module": "f145", "config": {}}]}', "s.json: $.children[0]: unknown module 'f145'")
_NO_TYPE = ('{"children": [{"module": "f144", "config": {"topic": "t", "source": "s", "dtype": "flaot"}}]}', "s.json: $.children[0].config")
_NO_SHAPE = ('{"children": [{"module": "hs00", "config": {"topic": "t", "source": "s"}}]}', "s.json: $.children[0].config: needs `shape`")


@pytest.mark.parametrize(
    ("how", "text", "place"),
    [
        *((how, *bad) for how in ("make", "file-maker") for bad in (_NO_JSON, _NO_MODULE, _NO_TYPE, _NO_SHAPE)),
        *((how, *bad) for how in ("template", "template-maker") for bad in (_NO_JSON, _NO_MODULE)),
    ],
)
def test_a_bad_structure_is_named_with_its_file_and_the_place_in_it(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str, text: str, place: str
) -> None:
    path = tmp_path / "s.json"
    path.write_text(text)
    words = [str(word) for word in ("-f", path, *(("-i", "inst") if "template" in how else ("-o", tmp_path / "a.nxs")))]
    scripts = {"file-maker": file_maker, "template-maker": template_maker}
    code, err = (scripts[how](words), capsys.readouterr().err) if how in scripts else run("filewriter", how, *words)[::2]

    assert code == exit_codes.FAILED
    assert place in " ".join(err.split())
    assert [one.name for one in tmp_path.iterdir()] == ["s.json"]


def test_missing_files_and_options_are_faults_of_usage(run: Run, tmp_path: Path, structure: Path) -> None:
    assert run("filewriter", "make", "-f", tmp_path / "none.json", "-o", tmp_path / "a.nxs")[0] == exit_codes.USAGE
    assert run("filewriter", "make", "-f", structure)[0] == exit_codes.USAGE
    (tmp_path / "d.json").write_text('[{"schema": "f144"}]')
    code, _out, err = run("filewriter", "make", "-f", structure, "-d", tmp_path / "d.json", "-o", tmp_path / "a.nxs")
    assert (code, "d.json" in err) == (exit_codes.USAGE, True)
    assert run("filewriter", "bake", "-f", structure)[0] == exit_codes.USAGE


def test_a_template_is_made_by_command_and_by_script(run: Run, tmp_path: Path, structure: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _err = run("filewriter", "template", "-f", structure, "-i", "inst", "-o", tmp_path / "inst" / "inst.hdf")
    assert (code, out.split()) == (exit_codes.OK, [str(tmp_path / "inst" / "inst.hdf")])
    assert template_maker(["-f", str(structure), "-i", "other", "-o", str(tmp_path / "other.hdf")]) == exit_codes.OK
    capsys.readouterr()

    with h5py.File(tmp_path / "other.hdf") as file:
        assert list(file["entry/speed"]) == []
    code, out, _err = run("filewriter", "make", "-f", structure, "-i", "inst", "--hdf-template-prefix", tmp_path, "-o", tmp_path / "a.nxs")
    assert (code, "0 of 0 messages" in out) == (exit_codes.OK, True)


def test_show_prints_the_tree_with_units_and_statistics(run: Run, tmp_path: Path) -> None:
    path = made(run, tmp_path, "a")

    code, out, _err = run("nexus", "show", path)
    assert code == exit_codes.OK
    assert all(word in out for word in ("entry", "NXentry", "speed", "NXlog", "Hz", "3.5", "f144"))
    assert "title" not in run("nexus", "show", path, "/entry/speed")[1]
    assert run("nexus", "show", path, "/nothing")[0] == exit_codes.FAILED
    assert run("nexus", "show", tmp_path / "none.nxs")[0] != exit_codes.OK


def test_diff_ends_with_three_where_files_differ(run: Run, tmp_path: Path) -> None:
    one, same, other = made(run, tmp_path, "a"), made(run, tmp_path, "b"), made(run, tmp_path, "c", value=4)

    assert run("nexus", "diff", one, same)[:2] == (exit_codes.OK, "no difference\n")
    code, out, _err = run("nexus", "diff", one, other)
    assert code == exit_codes.FAILED
    assert "/entry/speed/value" in out


@pytest.mark.parametrize(("speed", "word"), [("0", "a positive number"), ("fast", "a positive number"), ("-1", "a positive number")])
def test_stream_refuses_a_speed_that_is_none_before_it_looks_for_a_broker(run: Run, tmp_path: Path, speed: str, word: str) -> None:
    path = made(run, tmp_path, "a")

    code, _out, err = run("stream", path, "--speed", speed)

    assert code == exit_codes.USAGE
    assert word in err
