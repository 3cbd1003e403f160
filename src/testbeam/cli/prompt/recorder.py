"""Record of a prompt: the cells that went well, to be saved as a test by `%save_test NAME`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbeam.cli.prompt.saved_test import Session, test_file
from testbeam.errors import SettingsError

_MAGIC = "get_ipython()"


@dataclass(slots=True, kw_only=True)
class Recorder:
    """The cells of one prompt; `shell` is IPython's."""

    shell: Any
    services: Mapping[str, str]
    file: str = ""
    cells: list[str] = field(default_factory=list)

    def heard(self, result: Any) -> None:
        """Take in a cell that was run; called by IPython."""
        if not result.success or not result.info.store_history:
            return
        cell = self.shell.transform_cell(result.info.raw_cell)
        if cell.strip() and _MAGIC not in cell:  # % and ! lines are the prompt's own
            self.cells.append(cell)

    def save_test(self, line: str) -> None:
        """%save_test NAME: write what went well as test_NAME.py; `%save_test NAME --force` over a file that is there."""
        words = line.split()
        force = "--force" in words
        names = [word.removeprefix("test_") for word in words if word != "--force"]
        if len(names) != 1:
            raise SettingsError("%save_test", line, "one name: %save_test volt_reaches_the_file")
        path = Path(f"test_{names[0]}.py").absolute()
        text = test_file(names[0], Session(cells=self.cells, services=self.services, file=self.file))
        if path.exists() and not force:
            raise SettingsError("%save_test", str(path), "another name, or --force: that file is there")
        path.write_text(text, encoding="utf-8")
        print(f"saved: {path}; run it: pytest {path.name}")


def install(shell: Any, services: Mapping[str, str], file: str = "") -> Recorder:
    """Have a prompt remember from now on, and give it %save_test."""
    recorder = Recorder(shell=shell, services=services, file=file)
    shell.events.register("post_run_cell", recorder.heard)
    shell.register_magic_function(recorder.save_test, magic_kind="line", magic_name="save_test")
    shell.set_custom_exc((SettingsError,), _say)
    return recorder


def _say(_shell: Any, _kind: type, error: BaseException, _trace: Any, tb_offset: int | None = None) -> None:  # noqa: ARG001 - IPython's
    print(f"{type(error).__name__}: {error}")
