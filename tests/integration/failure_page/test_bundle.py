import os
import sys
from pathlib import Path

import pytest

from testbeam.clients.waiting import wait_for_condition
from testbeam.kit.probes.log_line import LogLine
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.report.failure.bundle import bundle
from testbeam.report.failure.stack_dumps import dump

HUNG = """
import time
def waits_for_ever():
    print("up", flush=True)
    while True:
        time.sleep(0.1)
waits_for_ever()
"""
LOUD = "import sys, time; print('up', flush=True); sys.stdin; print('about to wait', flush=True); time.sleep(1000)"


def python(name: str, code: str, **more: object) -> Service:
    return Service(name, command=(sys.executable, "-c", code), ready=LogLine("up"), **more)  # type: ignore[arg-type]


def test_the_page_has_error_timeline_logs_of_the_test_s_time_stacks_and_settings(tmp_path: Path) -> None:
    stack = Stack(python("hung", HUNG, files={"config-files/hung.ini": "speed = 7\n"}), python("loud", LOUD))
    with stack.run(tmp_path / "run") as run:
        begin = run.mark("test begins")
        run["hung"].pause()
        run["hung"].resume()
        end = run.mark("test failed")
        report = bundle(run, tmp_path / "failures", test="tests/test_a.py::test_b[1]", error="E  assert 1 == 2", begin=begin, end=end)

        text = report.read_text()
        assert "assert 1 == 2" in text
        assert "waits_for_ever" in text  # the hung service's own function, by py-spy
        assert "speed = 7" in text
        assert ">paused<" in text
        assert ">resumed<" in text
    assert report.parent.name == "tests_test_a.py_test_b[1]"
    assert sorted(path.name for path in report.parent.iterdir()) == ["events.jsonl", "log", "report.html"]
    assert (report.parent / "log" / "loud.log").read_text() == (tmp_path / "run" / "log" / "loud.log").read_text()


def test_a_stdout_that_is_kept_apart_is_shown_and_copied_as_the_log_is(tmp_path: Path) -> None:
    with Stack(python("apart", LOUD.replace("print('up'", "print('up', file=sys.stderr"), separate_stdout=True)).run(
        tmp_path / "run"
    ) as run:
        apart = run["apart"]
        wait_for_condition(lambda: "about" in apart.get_stdout(), within_s=60)
        begin = run.mark("test begins")
        apart.restart()
        wait_for_condition(lambda: apart.get_stdout().count("about") == 2, within_s=60)
        report = bundle(run, tmp_path / "failures", test="t", error="E  x", begin=begin, end=run.mark("end"))

        assert "its stdout during the test" in report.read_text()
        assert (report.parent / "log" / "apart.stdout.log").read_text() == apart.get_stdout()
        assert (report.parent / "log" / "apart.log").read_text() == apart.get_stderr()


def test_of_a_log_that_fills_the_disk_the_begin_and_the_end_are_copied(tmp_path: Path) -> None:
    with Stack(python("loud", HUNG)).run(tmp_path / "run") as run:
        begin = run.mark("test begins")
        with run["loud"].log_path.open("r+b") as file:
            file.truncate(1 << 40)  # no memory and no disk holds that
            file.seek(-8, os.SEEK_END)
            file.write(b"the end\n")
        report = bundle(run, tmp_path / "failures", test="t", error="E  x", begin=begin, end=run.mark("end"))

        copied = (report.parent / "log" / "loud.log").read_bytes()
        assert copied.startswith(b"up\n")
        assert copied.endswith(b"\0the end\n")
        assert len(copied) < 6 << 20
        assert f"… ({(1 << 40) - (5 << 20)} bytes left out; all {1 << 40} were in {run['loud'].log_path})" in copied.decode()
        assert "the end" in report.read_text()
        assert report.stat().st_size < 2 << 20


def test_a_service_that_is_gone_says_so_instead_of_stacks(tmp_path: Path) -> None:
    with Stack(python("hung", HUNG)).run(tmp_path / "run") as run:
        run["hung"].kill()

        assert dump(run["hung"]).startswith("no process: ")


def test_a_process_without_a_tool_is_shown_by_the_kernel_s_word(tmp_path: Path) -> None:
    with Stack(Service("sleeper", command=("sleep", "1000"))).run(tmp_path / "run") as run:
        assert f"thread {run['sleeper'].pid} sleep: State:" in dump(run["sleeper"])


def test_a_crash_is_named_first(tmp_path: Path) -> None:
    stack = Stack(
        python("fine", HUNG),
        python("dies", "import sys\nprint('up', flush=True)\nsys.stdin.read()\nimport time\ntime.sleep(0.3)\nsys.exit('no more neutrons')"),
    )
    with pytest.raises(Exception, match="dies"), stack.run(tmp_path / "run") as run:  # noqa: PT012 — the end of the run reports the crash
        begin = run.mark("test begins")
        with pytest.raises(TimeoutError):
            run["dies"].wait_exit(0)
        run["dies"]._lifecycle.process.wait_ended(5)  # type: ignore[union-attr]
        report = bundle(run, tmp_path / "failures", test="t", error="E  x", begin=begin, end=run.mark("end"))

        text = report.read_text()
        assert "no more neutrons" in text
        assert text.index("dies: ") < text.index("fine: ")
        assert "<dd>dies</dd>" in text
