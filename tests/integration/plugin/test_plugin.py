import os
import re
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from testbeam.clients.waiting import wait_for_condition
from testbeam.hosting import registry
from testbeam.hosting.detaching import detach
from testbeam.hosting.ending import end
from testbeam.hosting.hosted import StackInfo
from testbeam.kit.guard import marked
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.stacks.fingerprint import fingerprint
from tests.integration.kit.small_services import is_alive
from tests.integration.plugin.conftest import CONFTEST

pytest_plugins = ["pytester"]

PIDS = """
import os, pathlib
def note(run, what):
    with open("noted", "a") as file:
        print(what, run.id, run["one"].pid, os.getpid(), file=file)
"""
STACK = Stack(Service("one", command=("sleep", "1000")), Service("two", command=("sleep", "1000"), needs=("one",)))


def noted(project: pytest.Pytester, what: str, column: int) -> list[str]:
    lines = [line.split() for line in (project.path / "noted").read_text().splitlines()]
    return [line[column] for line in lines if line[0] == what]


def test_all_tests_of_a_session_share_one_stack_and_have_names_of_their_own(project: pytest.Pytester) -> None:
    project.makepyfile(
        PIDS
        + """
def test_a(run, name): note(run, "run"); note(run, name("file"))
def test_b(run, name): note(run, "run"); note(run, name("file")); assert name("x") != name("y")
def test_c(shared_run, run): assert shared_run is run
"""
    )

    project.runpytest_subprocess().assert_outcomes(passed=3)

    assert len(set(noted(project, "run", 1))) == 1
    names = [line.split()[0] for line in (project.path / "noted").read_text().splitlines() if not line.startswith("run")]
    assert len(set(names)) == 2
    assert not is_alive(int(noted(project, "run", 2)[0]))


@pytest.mark.parametrize("workers", ["0", "2"])
def test_modules_with_stacks_of_their_own_have_each_its_own(project: pytest.Pytester, workers: str) -> None:
    one = "from testbeam import Service, Stack\nimport pytest\n@pytest.fixture(scope='session')\ndef stack():\n"
    bad = f"{one}    return Stack(Service('bad', command=('no-such-program',)))\ndef test_it(run): pass\n"
    good = f"{one}    return Stack(Service('good', command=('sleep', '100')))\ndef test_it(run): assert list(run) == ['good']\n"
    default = "def test_it(run): assert list(run) == ['one', 'two']\n"
    project.makepyfile(test_a=bad, test_b=good, test_c=default)

    project.runpytest_subprocess("-n", workers, "--testbeam-bundles", "pages").assert_outcomes(passed=2, errors=1)


def test_a_service_that_ends_fails_the_running_test_at_once_and_not_at_its_end(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
import os, signal, threading, time
import pytest

def test_crash(run):
    threading.Timer(0.2, os.kill, (run["two"].pid, signal.SIGKILL)).start()
    time.sleep(100)

def test_next(run):
    pass
"""
    )
    before_s = time.monotonic()

    result = project.runpytest_subprocess()

    assert time.monotonic() - before_s < 30
    result.assert_outcomes(failed=1, errors=1)  # a stack that has lost a service passes no test any more
    result.stdout.re_match_lines([r".*time\.sleep\(100\)", r"E .*ServiceDied: service 'two' was ended by SIGKILL"])
    page = re.search(r"what happened, with all logs: (\S+)", result.stdout.str())
    assert page is not None
    assert "test_crash" in Path(page[1]).read_text()


def test_an_exit_that_is_expected_fails_no_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
import os, signal
def test_expected(run):
    with run["two"].expect_exit():
        os.kill(run["two"].pid, signal.SIGKILL)
        run["two"].wait_exit()
    run["two"].start()
def test_next(run):
    assert run["two"].is_running()
"""
    )

    project.runpytest_subprocess().assert_outcomes(passed=2)


def test_a_crash_that_nobody_waits_for_fails_the_test_it_happens_in(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
import os, signal, time
def test_busy(run):
    os.kill(run["two"].pid, signal.SIGKILL)
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            pass
"""
    )

    project.runpytest_subprocess().assert_outcomes(failed=1)


def test_a_failure_for_another_reason_stays_what_it_is(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
def test_wrong(run):
    assert 1 == 2
def test_next(run):
    pass
"""
    )

    result = project.runpytest_subprocess("--testbeam-bundles", "pages")

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2", "*what happened, with all logs: */pages/*report.html"])


def test_a_teardown_that_fails_too_leaves_the_page_of_the_failure(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
import pytest
@pytest.fixture
def leaves_badly(run):
    yield
    assert "teardown" == "wrong"
def test_wrong(leaves_badly):
    assert "call" == "wrong"
"""
    )

    project.runpytest_subprocess("--testbeam-bundles", "pages").assert_outcomes(failed=1, errors=1)

    pages = project.path / "pages"
    found = {page.parent.name: page.read_text() for page in pages.glob("*/report.html")}
    (call,) = [text for folder, text in found.items() if not folder.endswith("-teardown")]
    (teardown,) = [text for folder, text in found.items() if folder.endswith("-teardown")]
    assert "assert &#x27;call&#x27;" in call
    assert "assert &#x27;teardown&#x27;" in teardown


def test_two_long_parametrised_tests_have_a_page_each(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
import pytest
@pytest.mark.parametrize("what", "ab", ids=["x" * 200 + "a", "x" * 200 + "b"])
def test_wrong(run, what):
    assert 0
"""
    )

    project.runpytest_subprocess("--testbeam-bundles", "pages").assert_outcomes(failed=2)

    assert len(list((project.path / "pages").glob("*/report.html"))) == 2


FAILURES = """
import pytest
@pytest.fixture
def leaves_badly(run):
    yield
    assert 0
def test_wrong(run):
    with run["two"].expect_exit():
        run["two"].kill()
    run["two"].start()
    assert 0
def test_left_badly(leaves_badly):
    pass
def test_right(run):
    pass
"""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_file_of_junit_has_page_and_timeline_of_each_failure(project: pytest.Pytester, workers: str) -> None:
    project.makepyfile(FAILURES)

    project.runpytest_subprocess("-n", workers, "--junitxml", "junit.xml", "--testbeam-bundles", "pages")

    of_test = properties(project.path / "junit.xml")
    assert set(of_test["test_wrong"]) == {"testbeam_page", "testbeam_timeline"}
    assert set(of_test["test_left_badly"]) == {"testbeam_page_teardown", "testbeam_timeline_teardown"}
    assert of_test["test_right"] == {}
    assert Path(of_test["test_wrong"]["testbeam_page"]).is_file()
    head, one, two = of_test["test_wrong"]["testbeam_timeline"].splitlines()
    assert re.fullmatch(r"seconds since the test began; it failed at \+\d+\.\d{3}", head)
    assert re.fullmatch(r"one: spawned -\d+\.\d{3}, ready -\d+\.\d{3}", one)
    assert re.fullmatch(r"two: spawned -\S+, ready -\S+, .*exited \+\S+, .*spawned \+\S+, ready \+\S+", two)


def properties(file: Path) -> dict[str, dict[str, str]]:
    """Return the properties of each test in a file of JUnit."""
    found: dict[str, dict[str, str]] = {}
    for case in ElementTree.parse(file).iter("testcase"):
        named = {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")}
        found.setdefault(case.attrib["name"], {}).update(named)
    return found


TOML = """
[services.one]
command = ["sleep", "1000"]
[services.two]
command = ["sleep", "1000"]
needs = ["one"]
"""


def test_without_a_fixture_the_stack_is_that_of_the_testbeam_toml(project: pytest.Pytester) -> None:
    project.makeconftest("")
    (project.path / "testbeam.toml").write_text(TOML)
    project.mkdir("tests").joinpath("test_it.py").write_text("def test_a(run): assert list(run) == ['one', 'two']")

    project.runpytest_subprocess("tests").assert_outcomes(passed=1)
    project.runpytest_subprocess("-n", "1").assert_outcomes(passed=1)


def test_what_is_wrong_in_the_testbeam_toml_is_told_without_our_own_source(project: pytest.Pytester) -> None:
    project.makeconftest("")
    (project.path / "testbeam.toml").write_text(TOML + 'ready = {probe = "port", port = "web"}')
    project.makepyfile("def test_a(run): pass")

    said = project.runpytest_subprocess().stdout

    said.fnmatch_lines(["*testbeam.toml: services.two.ready: *'web' is neither a port of it*"])
    said.no_fnmatch_line("*def parse(*")
    assert len(said.lines) < 25


def test_outside_a_project_it_is_said_that_the_stack_is_the_reference_stack_and_how_to_make_one(project: pytest.Pytester) -> None:
    project.makeconftest("")
    project.makepyfile("def test_a(stack): pass")

    line = "no testbeam.toml here or in a folder above: the reference stack (broker, *); one of your own: testbeam init stack"
    project.runpytest_subprocess().stdout.fnmatch_lines([line])


def test_the_testbeam_toml_of_the_tests_is_found_from_elsewhere_too(
    project: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makeconftest("")
    (project.path / "testbeam.toml").write_text(TOML)
    project.makepyfile("def test_a(run): assert list(run) == ['one', 'two']")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    project.runpytest_subprocess(project.path).assert_outcomes(passed=1)


def test_a_stack_that_is_up_from_a_testbeam_toml_is_joined_by_the_tests_beside_it(project: pytest.Pytester) -> None:
    project.makeconftest("")
    (project.path / "testbeam.toml").write_text(TOML)
    project.makepyfile(PIDS + "def test_a(run): note(run, 'run')")
    subprocess.run([sys.executable, "-m", "testbeam", "up", "-d"], cwd=project.path, check=True, timeout=60)
    (entry,) = registry.entries()

    project.runpytest_subprocess("--testbeam-attach").assert_outcomes(passed=1)

    assert noted(project, "run", 1) == [entry.id]
    subprocess.run([sys.executable, "-m", "testbeam", "down", entry.id], cwd=project.path, check=True, timeout=60)
    assert registry.entries() == ()


def test_ctrl_c_is_still_ctrl_c(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
import os, signal, time
def test_interrupted(run):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(100)
def test_next(run):
    pass
"""
    )

    result = project.runpytest_subprocess()

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in result.stdout.str()


def test_ctrl_c_while_the_stack_is_being_stopped_is_told_in_a_line(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
import os, pytest
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack

@pytest.fixture(scope="session")
def stack():
    told = f"trap 'kill -INT {os.getpid()}' TERM; while :; do sleep 0.1; done"  # it presses Ctrl-C when it is to end, and does not end
    return Stack(Service("stubborn", command=("sh", "-c", told), stop_timeout_s=60))
"""
    )
    project.makepyfile("def test_a(run): raise KeyboardInterrupt")

    result = project.runpytest_subprocess()

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "Exit: Ctrl-C while the stack was being stopped" in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


EXCLUSIVE = (
    PIDS
    + """
import os, pytest, signal
@pytest.mark.testbeam_exclusive
def test_breaks(run, name):
    note(run, "own")
    os.kill(run["one"].pid, signal.SIGKILL)
    import time; time.sleep(100)
@pytest.mark.parametrize("number", range(6))
def test_shared(run, number):
    note(run, "shared")
    run.check()
"""
)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_test_that_breaks_things_has_its_own_stack_and_poisons_no_other(project: pytest.Pytester, workers: str) -> None:
    project.makepyfile(EXCLUSIVE)

    project.runpytest_subprocess("-n", workers).assert_outcomes(failed=1, passed=6)

    assert len(set(noted(project, "own", 1))) == 1
    assert len(set(noted(project, "shared", 1))) == 1
    assert set(noted(project, "own", 1)).isdisjoint(noted(project, "shared", 1))


def test_workers_share_one_stack_which_ends_with_the_session(project: pytest.Pytester) -> None:
    project.makepyfile(
        PIDS + "import pytest, time\n@pytest.mark.parametrize('n', range(8))\ndef test_a(run, n): note(run, 'run'); time.sleep(0.1)"
    )

    project.runpytest_subprocess("-n", "3").assert_outcomes(passed=8)

    assert len(set(noted(project, "run", 3))) > 1  # more than one worker
    assert len(set(noted(project, "run", 1))) == 1
    assert registry.entries() == ()
    assert not is_alive(int(noted(project, "run", 2)[0]))
    assert list((registry.runtime_folder() / "sessions").iterdir()) == []


def test_a_crash_reaches_a_worker_that_has_joined(project: pytest.Pytester) -> None:
    project.makepyfile("import os, signal, time\ndef test_a(run):\n    os.kill(run['two'].pid, signal.SIGKILL)\n    time.sleep(100)")

    result = project.runpytest_subprocess("-n", "1")

    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"E .*ServiceDied: service 'two' was ended by SIGKILL"])


def test_a_stack_that_does_not_come_up_is_tried_once_for_all_workers(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
import pytest
from testbeam.kit.probes.file import FileExists
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
@pytest.fixture(scope="session")
def stack():
    bad = ("sh", "-c", f"echo started >> {__file__}.starts; exit 3")
    return Stack(Service("bad", command=bad, ready=FileExists("never")))
"""
    )
    project.makepyfile("import pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_a(run, n): pass")

    result = project.runpytest_subprocess("-n", "2")

    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(["*ServiceDied: service 'bad' exited with code 3*"])
    assert (project.path / "conftest.py.starts").read_text() == "started\n"


def test_a_stack_that_can_not_be_told_to_another_process_is_an_error_with_its_reason(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
import pytest
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
@pytest.fixture(scope="session")
def stack():
    return Stack(Service("one", command=("sleep", "9"), after_ready=lambda handle: None))
"""
    )
    project.makepyfile("def test_a(run): pass")

    project.runpytest_subprocess().assert_outcomes(passed=1)
    result = project.runpytest_subprocess("-n", "1")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*service 'one' after_ready holds *another process can't import*"])


def test_a_handle_that_is_declared_in_a_conftest_works_in_every_worker(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
import pytest
from testbeam.kit.handle import Handle
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
class OwnHandle(Handle):
    def greet(self): return f"hello from {self.name}"
    def begin_test(self): self.told = ["begin"]
    def end_test(self):
        with open("ended", "a") as file: print(self.told, file=file)
@pytest.fixture(scope="session")
def stack():
    return Stack(Service("one", command=("sleep", "1000"), handle=OwnHandle))
"""
    )
    project.makepyfile("def test_a(run):\n    assert run['one'].greet() == 'hello from one'\n    run['one'].told.append('test')")

    for workers in "01":
        project.runpytest_subprocess("-n", workers).assert_outcomes(passed=1)
    assert (project.path / "ended").read_text() == "['begin', 'test']\n" * 2  # what a role undoes at the end of each test


def test_attaching_uses_the_running_stack_and_leaves_it_up(project: pytest.Pytester) -> None:
    entry = detach(STACK, StackInfo(name="mine", fingerprint=fingerprint(STACK)))
    project.makepyfile(PIDS + "def test_a(run): note(run, 'run')\ndef test_b(run): note(run, 'run')")

    for options in (("--testbeam-attach",), ("--testbeam-attach", "-n", "2")):
        project.runpytest_subprocess(*options).assert_outcomes(passed=2)

    assert set(noted(project, "run", 1)) == {entry.id}
    assert registry.entries() == (entry,)
    end(entry)
    os.waitpid(entry.pid, 0)


def test_attaching_without_such_a_stack_says_how_to_start_one_and_how_those_that_are_up_differ(project: pytest.Pytester) -> None:
    project.makepyfile("def test_a(run): assert run['two'].service.command == ('sleep', '2000')")
    other = Stack(Service("one", command=("sleep", "1000")), Service("two", command=("sleep", "2000"), needs=("one",)))
    entry = detach(other, StackInfo(name="mine", fingerprint=fingerprint(other)))

    result = project.runpytest_subprocess("--testbeam-attach")
    by_name = project.runpytest_subprocess("--testbeam-stack", "mine")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            f"*no running stack is of this declaration (fingerprint {fingerprint(STACK)})*testbeam up*--detach*",
            f"*mine ({entry.id}) differs: service 'two': command[[]1] is '2000', and '1000' here",
            "*To join one all the same: --testbeam-stack NAME",
        ]
    )
    by_name.assert_outcomes(passed=1)
    end(entry)
    os.waitpid(entry.pid, 0)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_an_option_puts_a_program_of_one_s_own_in_the_place_of_a_service(project: pytest.Pytester, workers: str) -> None:
    program = project.path / "mine.sh"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    project.makepyfile("def test_a(run): assert run['two'].service.command[0].endswith('/mine.sh')")

    project.runpytest_subprocess("-n", workers, "--testbeam-local-build", "two=mine.sh").assert_outcomes(passed=1)


def test_an_option_that_can_not_be_used_is_the_error_of_the_tests(project: pytest.Pytester) -> None:
    project.makepyfile("def test_a(run): pass")

    result = project.runpytest_subprocess("--testbeam-command", "tow=sleep 1")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*there is no role or service 'tow' in this stack; did you mean two?*"])


def test_a_replacement_that_is_not_of_its_form_is_refused_before_any_test_by_the_name_of_its_option(project: pytest.Pytester) -> None:
    project.makepyfile("def test_a(run): pass")

    result = project.runpytest_subprocess("--testbeam-command", "two")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--testbeam-command: 'two' can't be used; give it as ROLE=*"])


def test_attaching_to_a_broken_stack_says_what_is_broken(project: pytest.Pytester) -> None:
    entry = detach(STACK, StackInfo(name="mine", fingerprint=fingerprint(STACK)))
    project.makepyfile("import os, signal, time\ndef test_a(run):\n    os.kill(run['two'].pid, signal.SIGKILL)\n    time.sleep(100)")
    project.runpytest_subprocess("--testbeam-attach").assert_outcomes(failed=1)

    result = project.runpytest_subprocess("--testbeam-attach")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*stack {entry.id} is up, but two is crashed; start it again*testbeam restart*"])
    end(entry)
    os.waitpid(entry.pid, 0)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_killed_pytest_leaves_nothing(project: pytest.Pytester, workers: str) -> None:
    project.makepyfile(PIDS + "import time\ndef test_a(run): note(run, 'run'); time.sleep(1000)")
    command = [sys.executable, "-m", "pytest", "-n", workers]
    with subprocess.Popen(
        command, cwd=project.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as runner:
        file = project.path / "noted"
        wait_for_condition(lambda: file.exists() and file.read_text().endswith("\n"), within_s=60)
        run_id = noted(project, "run", 1)[0]
        assert marked(run_id)

        runner.kill()

    wait_for_condition(lambda: not marked(run_id), within_s=60)  # promised is one second
    wait_for_condition(lambda: registry.entries() == (), within_s=60)


def test_a_session_that_asks_for_no_stack_loads_none_of_the_kit(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
import sys
def test_plain():
    ours = {name for name in sys.modules if name.startswith("testbeam.")}
    assert not {name for name in ours if name.split(".")[1] in ("kit", "stacks", "clients", "transport", "wire")}, ours
    assert "numpy" not in sys.modules and "confluent_kafka" not in sys.modules
"""
    )
    project.makeconftest("")

    result = project.runpytest_subprocess("-W", "error")

    result.assert_outcomes(passed=1)
    assert "testbeam" not in result.stdout.str().replace("plugins: testbeam", "").split("collected")[1]


def test_the_marker_and_the_options_are_declared(project: pytest.Pytester) -> None:
    assert "testbeam_exclusive" in project.runpytest_subprocess("--markers").stdout.str()
    text = project.runpytest_subprocess("--help").stdout.str()
    for option in ("attach", "stack", "local-build", "command", "external"):
        assert f"--testbeam-{option}" in text
    assert "--testbeam-bundles" in text


def test_the_signal_that_ends_a_test_never_hits_the_one_after(project: pytest.Pytester) -> None:
    """The service ends by itself at a moment around the end of the test, before it or after."""
    project.makeconftest(CONFTEST.replace('("sleep", "1000"), needs', '("sleep", "0.05"), needs'))
    project.makepyfile(
        """
import random, time
import pytest
@pytest.mark.testbeam_exclusive
@pytest.mark.parametrize("number", range(30))
def test_edge(run, number):
    time.sleep(0.02 + random.random() * 0.04)
"""
    )

    result = project.runpytest_subprocess()

    outcomes = result.parseoutcomes()
    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), result.stdout.str()
    assert sum(outcomes.get(kind, 0) for kind in ("failed", "passed", "errors")) == 30  # an error: it ended before the test began
    assert "KeyboardInterrupt" not in result.stdout.str()
