from pathlib import Path

import pytest

from testbeam.errors import SettingsError
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.suites.subject import KnownBuild, Subject, build_at, known_builds, subject_of

FILE = """
[build."ess-dmsc/forwarder"]
files = ["forwarder_launch.py"]
[build."ess-dmsc/forwarder".failures]
"test_units" = "it sends no units"
"""


def test_ours_is_in_every_role_unless_it_is_replaced() -> None:
    subject = subject_of(["command:worker=true"])

    assert Subject().is_ours("worker")
    assert not subject.is_ours("worker")
    assert subject.is_ours("other")


def test_a_subject_survives_the_way_to_another_process() -> None:
    subject = subject_of(["local_build:a=/x y", "command:b=prog -f k=v", "external:c=localhost:1"])

    assert subject_of(subject.words()) == subject


def test_what_takes_the_place_is_put_into_a_stack_and_a_role_that_it_lacks_is_left_out() -> None:
    stack = Stack(Service("one", role="worker", command=("a",)))

    replaced = subject_of(["command:worker=true -x", "command:other=true"]).stack(stack)

    assert replaced.services[0].command == ("true", "-x")


@pytest.mark.parametrize("word", ["", "worker=true", "build:worker=x", "command:worker"])
def test_a_word_of_another_form_is_refused(word: str) -> None:
    with pytest.raises(SettingsError):
        subject_of([word])


def test_the_known_builds_are_read_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "expected_failures.toml"
    file.write_text(FILE)

    assert known_builds(file) == (
        KnownBuild(name="ess-dmsc/forwarder", files=("forwarder_launch.py",), failures={"test_units": "it sends no units"}),
    )
    assert known_builds(tmp_path / "none.toml") == ()


@pytest.mark.parametrize("text", ["build = 3", "[build", '[build.x]\nfailures = "all"', "[build.x]\nfiles = 3"])
def test_a_file_that_is_none_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "expected_failures.toml"
    file.write_text(text)

    with pytest.raises(SettingsError, match=r"expected_failures\.toml"):
        known_builds(file)


@pytest.mark.parametrize("kind_value", ["local_build:worker={}", "local_build:worker={}/launch.py", "command:worker=python {}/launch.py"])
def test_a_build_is_recognised_by_its_files_whichever_way_it_is_given(tmp_path: Path, kind_value: str) -> None:
    (tmp_path / "launch.py").touch()
    known = KnownBuild(name="theirs", files=("launch.py",))

    assert build_at([known], "worker", subject_of([kind_value.format(tmp_path)])) is known


def test_another_build_is_not_recognised_but_may_be_named() -> None:
    known, subject = KnownBuild(name="theirs", files=("launch.py",)), subject_of(["command:worker=true"])

    assert build_at([known], "worker", subject) is None
    assert build_at([known], "worker", subject, "theirs") is known
    assert build_at([known], "worker", subject_of(["command:worker=launch.py"]), "none") is None
    with pytest.raises(SettingsError, match="theirs, none"):
        build_at([known], "worker", subject, "unheard of")
