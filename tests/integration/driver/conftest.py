import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.integration.temporary import temporary_folders_of_its_own  # noqa: F401 - a fixture

PROJECT = Path(__file__).parents[3]
EXAMPLE = PROJECT / "examples" / "ioc" / "power_supply"


@dataclass(frozen=True, slots=True)
class Ended:
    """How `testbeam test` ended."""

    code: int
    output: str
    errors: str

    @property
    def answer(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.output)
        return found


RunCheck: TypeAlias = Callable[..., Ended]


@pytest.fixture
def run_check(tmp_path: Path) -> RunCheck:
    """Write a check and run it as a user does."""

    def run(script: str, toml: str, *options: str, files: dict[str, str] | None = None) -> Ended:
        (tmp_path / "check.py").write_text(script)
        (tmp_path / "check.toml").write_text(toml)
        for name, text in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return command_line("test", str(tmp_path / "check.py"), "--json", "-", *options)

    return run


def command_line(*words: str) -> Ended:
    ended = subprocess.run(
        [sys.executable, "-m", "testbeam", *words], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)
