from dataclasses import dataclass
from pathlib import Path

import pytest

from testbeam.errors import SettingsError
from testbeam.runtime.settings import ProgramSettings, option, parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(ProgramSettings):
    status_topic: str = option(help="where the status goes")
    interval_s: float = option(default=4.0, help="seconds between two")
    db: tuple[str, ...] = option(default=(), help="may be given more than once")
    quick: bool = option(default=False, help="a switch", flags=("-q",))
    prefix: Path | None = option(default=None, help="a folder")


def test_a_field_is_an_option_in_kebab_case() -> None:
    settings = parse(Sample, "sample", ["--status-topic", "a", "--interval-s", "2", "-q", "--db", "x", "--db", "y", "--prefix", "p"])

    assert settings == Sample(status_topic="a", interval_s=2.0, quick=True, db=("x", "y"), prefix=Path("p"))


def test_arguments_win_over_the_environment_and_that_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "sample.ini"
    file.write_text("[sample]\nstatus-topic = from-file\ninterval-s = 1\nverbosity = debug\n")
    monkeypatch.setenv("TESTBEAM_SAMPLE_INTERVAL_S", "2")

    settings = parse(Sample, "sample", ["-c", str(file), "--verbosity", "warning"])

    assert (settings.status_topic, settings.interval_s, settings.verbosity) == ("from-file", 2.0, "warning")


def test_a_toml_file_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "sample.toml"
    file.write_text('status-topic = "from-toml"\ndb = ["a.db", "b.db"]\n')

    settings = parse(Sample, "sample", ["--config-file", str(file)])

    assert (settings.status_topic, settings.db) == ("from-toml", ("a.db", "b.db"))


def test_a_missing_option_is_named_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse(Sample, "sample", [])

    assert end.value.code == 2
    assert "--status-topic" in capsys.readouterr().err


def test_a_missing_file_is_named() -> None:
    with pytest.raises(SettingsError, match=r"-c.*nowhere\.ini.*exists"):
        parse(Sample, "sample", ["-c", "nowhere.ini", "--status-topic", "a"])


def test_a_value_of_the_wrong_type_is_named_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(Sample, "sample", ["--status-topic", "a", "--interval-s", "soon"])

    assert "--interval-s" in capsys.readouterr().err
