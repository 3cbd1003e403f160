import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import pytest

from testbeam.hosting import registry
from tests.system.smoke_process import Smoke

pytestmark = pytest.mark.timeout(400)

FORWARDED = "PVs forwarded"


@contextmanager
def killed_at_the_end(started: list[Smoke]) -> Iterator[None]:
    """Leave nothing of these behind, whatever a test finds."""
    yield
    for run in started:
        for pid in run.alive():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def smoke(tmp_path: Path) -> Iterator[Callable[[str], Smoke]]:
    started: list[Smoke] = []

    def start(name: str) -> Smoke:
        started.append(Smoke(tmp_path / name))
        return started[-1]

    with killed_at_the_end(started):
        yield start


@pytest.fixture(scope="module")
def two_smokes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Smoke, Smoke]]:
    """Run two in one folder at once, to their end."""
    folder = tmp_path_factory.mktemp("smokes") / "both"
    first, second = Smoke(folder), Smoke(folder, ("--events", "80000", "--seed", "7"))
    with killed_at_the_end([first, second]):
        for run in (first, second):
            assert run.wait() == 0, run.said()
        yield first, second


def test_two_smokes_at_once_both_write_a_whole_file(two_smokes: tuple[Smoke, Smoke]) -> None:
    assert [run.wait_gone(5) for run in two_smokes] == [{}, {}]
    for folder in (two_smokes[0].folder / name for name in ("runtime", "runtime-2")):
        with h5py.File(folder / "smoke.nxs") as file:
            assert file["entry/instrument/panel/panel_events/event_id"].size == 80_000
        assert "Nothing lost" in (folder / "report.html").read_text()
        assert sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".")) == [
            "events.jsonl",
            "log",
            "report.html",
            "smoke.nxs",
        ]


def test_the_answer_for_programs_has_its_promised_keys(two_smokes: tuple[Smoke, Smoke]) -> None:
    answer = two_smokes[0].outcome()
    assert answer["ok"] is True
    assert set(answer) >= {"ok", "total_s", "ready_s", "broker_ready_s", "services", "audit", "file", "report"}
    assert {service["name"] for service in answer["services"]} == {"broker", "ioc", "forwarder", "filewriter", "event_source", "livedata"}
    assert answer["ready_s"] >= max(service["ready_s"] for service in answer["services"])
    audit = answer["audit"]
    assert set(audit) == {"expected", "written", "filtered", "missing", "altered", "doubled"}
    assert audit["expected"] == audit["written"] > 200
    assert (audit["missing"], audit["altered"], audit["doubled"]) == (0, 0, 0)


def test_sigkill_of_the_runner_in_the_middle_leaves_no_process(smoke: Callable[[str], Smoke]) -> None:
    run = smoke("killed")
    run.wait_said(FORWARDED)
    assert len(run.alive()) >= 7  # runner, guard, its watcher, and the five services (one may share)

    os.kill(run.process.pid, signal.SIGKILL)
    run.process.wait(5)

    assert run.wait_gone(1.0) == {}


@pytest.mark.parametrize("when", ["at once", "while it starts", FORWARDED])
def test_ctrl_c_leaves_no_process(smoke: Callable[[str], Smoke], when: str) -> None:
    run = smoke("interrupted")
    if when == FORWARDED:
        run.wait_said(FORWARDED)
        assert str(run.folder / "runtime") in {entry.folder for entry in registry.entries()}  # as `testbeam ps` lists it
    elif when == "while it starts":
        run.wait_processes(5)

    run.signal(signal.SIGINT)

    assert run.wait(30) != 0
    assert run.wait_gone(5) == {}
    assert "Traceback" not in run.said()
    if when == FORWARDED:
        assert run.wait(1) == 130
        assert run.outcome() == {"ok": False, "error": "interrupted"}
        assert "interrupted: nothing of it runs any more; logs are in runtime/log" in run.said().replace("\n", " ")
        assert list(run.folder.glob("**/smoke.nxs")) == []  # half a file has a name that says so
