from pathlib import Path

import pytest

from testbeam.cli import commands
from tests.unit.recording.recordings import message, write

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Write two messages of one topic and one of another."""
    return write(tmp_path / "bug", [[message(0), message(1, topic="motion")], [message(2, partition=1)]])


def shown(recording: Path, captured: Captured, *words: str) -> list[str]:
    assert commands.run(["replay", str(recording), *words]) == 0
    return captured.readouterr().out.splitlines()


def test_only_the_messages_of_a_chosen_topic_are_shown(recording: Path, capsys: Captured) -> None:
    assert len(shown(recording, capsys, "--show")) == 3

    (line,) = shown(recording, capsys, "--show", "--topic", "motion")
    assert "motion" in line


def test_messages_are_shown_under_the_names_they_would_be_sent_to(recording: Path, capsys: Captured) -> None:
    lines = shown(recording, capsys, "--show", "--topic-prefix", "home_", "--map", "motion=axes")

    assert [[name for name in ("home_detector", "axes", "motion") if name in line] for line in lines] == [
        ["home_detector"],
        ["axes"],
        ["home_detector"],
    ]


def test_the_list_is_of_the_chosen_topics_and_says_where_they_would_go(recording: Path, capsys: Captured) -> None:
    assert shown(recording, capsys, "--list")[:2] == ["detector  2 partitions, 2 messages", "motion  1 partitions, 1 messages"]

    chosen = shown(recording, capsys, "--list", "--topic", "detector", "--map", "detector=panel")
    assert chosen[0] == "detector → panel  2 partitions, 2 messages"
    assert not [line for line in chosen if line.startswith("motion")]


def test_messages_and_list_may_be_asked_for_together(recording: Path, capsys: Captured) -> None:
    lines = shown(recording, capsys, "--show", "--list")

    assert lines == [*shown(recording, capsys, "--show"), *shown(recording, capsys, "--list")]


@pytest.mark.parametrize("look", ["--show", "--list"])
@pytest.mark.parametrize("words", [("--topic", "motoin"), ("--map", "motoin=axes")])
def test_a_mistyped_topic_is_told_with_near_names(recording: Path, capsys: Captured, look: str, words: tuple[str, str]) -> None:
    assert commands.run(["replay", str(recording), look, *words]) == 2

    told = capsys.readouterr()
    assert (told.out, f"{words[0]}: 'motoin'" in told.err, "motion" in told.err) == ("", True, True)
