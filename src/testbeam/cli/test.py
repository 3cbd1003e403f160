"""`testbeam test`: runs checks of IOCs, each a script for NixOS' test driver with its machines beside it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from testbeam.cli.apps import new_app
from testbeam.console.signals import end_as_by_ctrl_c

if TYPE_CHECKING:
    from testbeam.driver.driver import Result

app = new_app()


@app.command()
def run_checks(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Scripts of checks, or folders of them.")],
    keyword: Annotated[str, typer.Option("-k", help="Only checks whose names contain this.")] = "",
    jobs: Annotated[int, typer.Option("-j", "--jobs", help="So many at a time; 0: one a processor.")] = 0,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show every step, also of several checks.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML: a case for each subtest.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with what each failure means.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the results as JSON; '-' for standard output.")] = None,
) -> None:
    """Run checks: in parallel, each in a process of its own, with one summary at the end; exit code 1 if one failed."""
    from testbeam.driver.spec import find

    end_as_by_ctrl_c()
    scripts = [script for script in find(paths) if keyword in script.stem]
    console = Console(stderr=True)
    begin = time.monotonic()
    if len(scripts) == 1:
        results = [_alone(scripts[0])]
    else:
        results = _together(scripts, jobs or os.cpu_count() or 1, verbose, console)
    _summary(results, time.monotonic() - begin, console)
    _write(results, junit, html, json_file)
    raise typer.Exit(0 if results and all(result.ok for result in results) else 1)


def _alone(script: Path) -> "Result":
    """Run the one check in this process, showing its steps."""
    from testbeam.driver.log import TestLog
    from testbeam.driver.program import run_check
    from testbeam.driver.spec import load

    return run_check(load(script), TestLog())


def _together(scripts: list[Path], jobs: int, verbose: bool, console: Console) -> "list[Result]":
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        processes = _Processes()
        works = [pool.submit(processes.run, script, Path(folder) / f"{index}.json", verbose) for index, script in enumerate(scripts)]
        results = []
        try:
            for work in works:
                result = work.result()
                results.append(result)
                mark = "[yellow]skipped[/]" if result.skipped else "[green]passed[/]" if result.ok else "[bold red]failed[/]"
                console.print(f"{mark} {escape(result.name)} ({result.elapsed_s:.2f} s)", highlight=False)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.end()
            raise
        return results


class _Processes:
    """Processes of checks, a thread waits for each; Ctrl-C at a terminal reaches them, too, and `kill` does not."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()

    def run(self, script: Path, file: Path, verbose: bool) -> "Result":
        """Run one check to its end, its result by way of a file."""
        command = [sys.executable, "-m", "testbeam.driver", str(script), "--json", str(file), *([] if verbose else ["--quiet"])]
        begin = time.monotonic()
        with subprocess.Popen(command) as process:
            self._running.add(process)
            process.wait()
            self._running.discard(process)
        if file.exists():
            return _made(json.loads(file.read_text())["checks"][0])
        problem = f"its process ended with {process.returncode}"
        return _made({"name": script.stem, "script": str(script), "seconds": time.monotonic() - begin, "problem": problem})

    def end(self) -> None:
        """Have every check end now, in order; its process takes it as Ctrl-C."""
        for process in tuple(self._running):
            process.terminate()


def _made(entry: dict[str, Any]) -> "Result":
    from testbeam.driver.driver import Result
    from testbeam.driver.explain import Explanation
    from testbeam.driver.log import Subtest

    return Result(
        name=entry["name"],
        script=Path(entry["script"]),
        elapsed_s=entry["seconds"],
        problem=entry.get("problem", ""),
        skipped=entry.get("skipped", ""),
        place=entry.get("place", ""),
        subtests=[Subtest(sub["name"], 0.0, sub["seconds"], sub["problem"]) for sub in entry.get("subtests", [])],
        explanation=Explanation([(title, text) for title, text in entry.get("explanation", [])]),
        folder=Path(entry["folder"]) if entry.get("folder") else None,
    )


def _summary(results: "list[Result]", seconds: float, console: Console) -> None:
    for result in results:
        if result.skipped:
            console.print(f"\n[yellow]{escape(result.name)} skipped[/]: {escape(result.skipped)}", highlight=False, soft_wrap=True)
        if not result.ok:
            console.print(f"\n[bold red]{escape(result.name)} failed[/]: {escape(result.problem)}", highlight=False, soft_wrap=True)
            console.print(escape(f"{result.place}\n\n{result.explanation}"), highlight=False, soft_wrap=True)
            if result.folder is not None:
                console.print(f"everything of it is kept in {escape(str(result.folder))}", highlight=False, soft_wrap=True)
    failed, skipped = sum(not result.ok for result in results), sum(bool(result.skipped) for result in results)
    words = f"{len(results) - failed - skipped} passed"
    words += "".join(f", {count} {word}" for count, word in ((failed, "failed"), (skipped, "skipped")) if count)
    console.print(f"{'[bold red]' if failed else '[bold green]'}{words}[/] in {seconds:.2f} s", highlight=False)


def _write(results: "list[Result]", junit: Path | None, html: Path | None, json_file: Path | None) -> None:
    from testbeam.driver import results as written

    written.write(results, junit, html)
    if json_file is not None:
        text = json.dumps(written.as_json(results), indent=1)
        print(text) if str(json_file) == "-" else json_file.write_text(text + "\n", encoding="utf-8")
