import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import pytest

from tests.system.smoke_process import Smoke

pytestmark = pytest.mark.timeout(400)

FORWARDED = "PVs forwarded"


@pytest.fixture
def smoke(tmp_path: Path) -> Iterator[Callable[..., Smoke]]:
    started: list[Smoke] = []

    def start(name: str, *words: str) -> Smoke:
        started.append(Smoke(tmp_path / name, words) if words else Smoke(tmp_path / name))
        return started[-1]

    yield start
    for run in started:
        for pid in run.alive():
            os.kill(pid, signal.SIGKILL)


def test_two_smokes_at_once_both_write_a_whole_file(smoke: Callable[..., Smoke]) -> None:
    first, second = smoke("one"), smoke("one", "--events", "80000", "--seed", "7")

    for run in (first, second):
        assert run.wait() == 0, run.said()
        assert run.wait_gone(5) == {}
    folders = [(first.folder / name) for name in ("runtime", "runtime-2")]
    for folder in folders:
        with h5py.File(folder / "smoke.nxs") as file:
            assert file["entry/instrument/panel/panel_events/event_id"].size == 80_000
        assert "Nothing lost" in (folder / "report.html").read_text()
        assert sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".")) == [
            "events.jsonl",
            "log",
            "report.html",
            "smoke.nxs",
        ]


def test_the_answer_for_programs_has_its_promised_keys(smoke: Callable[..., Smoke]) -> None:
    run = smoke("json")

    assert run.wait() == 0, run.said()
    answer = run.outcome()
    assert answer["ok"] is True
    assert set(answer) >= {"ok", "total_s", "ready_s", "broker_ready_s", "services", "audit", "file", "report"}
    assert {service["name"] for service in answer["services"]} == {"broker", "ioc", "forwarder", "filewriter", "event_source"}
    audit = answer["audit"]
    assert set(audit) == {"expected", "written", "filtered", "missing", "altered", "doubled"}
    assert audit["expected"] == audit["written"] > 200
    assert (audit["missing"], audit["altered"], audit["doubled"]) == (0, 0, 0)


def test_sigkill_of_the_runner_in_the_middle_leaves_no_process(smoke: Callable[..., Smoke]) -> None:
    run = smoke("killed")
    run.wait_said(FORWARDED)
    assert len(run.alive()) >= 7  # runner, guard, its watcher, and the five services (one may share)

    os.kill(run.process.pid, signal.SIGKILL)
    run.process.wait(5)

    assert run.wait_gone(1.0) == {}


@pytest.mark.parametrize("when", ["at once", "while it starts", FORWARDED])
def test_ctrl_c_leaves_no_process(smoke: Callable[..., Smoke], when: str) -> None:
    run = smoke("interrupted")
    if when == FORWARDED:
        run.wait_said(FORWARDED)
    elif when == "while it starts":
        run.wait_processes(5)

    run.signal(signal.SIGINT)

    assert run.wait(30) != 0
    assert run.wait_gone(5) == {}
    assert "Traceback" not in run.said()
