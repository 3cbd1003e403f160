from pathlib import Path

import pytest

from testbeam.errors import SettingsError
from testbeam.kafka_distribution import java


def a_java(home: Path, version: str = "25.0.2") -> Path:
    (home / "bin").mkdir(parents=True)
    executable = home / "bin" / "java"
    executable.touch()
    executable.chmod(0o755)
    (home / "release").write_text(f'IMPLEMENTOR="Example"\nJAVA_VERSION="{version}"\n')
    return home


def test_the_first_home_that_was_named_is_taken(tmp_path: Path) -> None:
    found = java.find(["", str(a_java(tmp_path / "mine", "21.0.1"))])

    assert (found.executable, found.version, found.major) == (str(tmp_path / "mine/bin/java"), "21.0.1", 21)


def test_a_home_without_a_java_is_an_error_that_names_it_and_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"JAVA_HOME.*{tmp_path}/none.*bin/java"):
        java.find([str(tmp_path / "none")])


def test_without_any_java_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])

    with pytest.raises(SettingsError, match=r"testbeam\[kit\].*JAVA_HOME"):
        java.find([""])


def test_only_a_java_that_can_keep_a_start_up_cache_is_given_its_flags(tmp_path: Path) -> None:
    new, old = java.Java(str(a_java(tmp_path / "new"))), java.Java(str(a_java(tmp_path / "old", "17.0.9")))

    assert (new.can_train, old.can_train) == (True, False)
    assert "-Xlog:aot*=error" in java.flags(new)
    assert not any("aot" in flag.lower() or flag.startswith("--sun") for flag in java.flags(old))
    assert {"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"} <= set(java.flags(old))


def test_a_java_without_a_release_file_is_taken_for_an_old_one(tmp_path: Path) -> None:
    home = a_java(tmp_path / "bare")
    (home / "release").unlink()

    assert java.Java(str(home)).major == 0
