"""The smoke run of instrument control: its stack for real, and the tests of its suite that a first look asks for."""

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from testbeam.stacks.replacing import Replacement
from testbeam.suites import runner, summary
from testbeam.suites.subject import Subject

SELECTED = "test_setups or test_devices or test_counting_and_scans or test_files or test_collector or test_ours"


def smoke_control(
    folder: Path,
    console: Console,
    *,
    bootstrap: str,
    keep_kafka: bool,
    keep_run: bool,
    tell: Callable[[Mapping[str, Any]], None],
    select: str = "",
) -> bool:
    """Run it in a folder and return whether all went well; logs go to `folder/log`.

    bootstrap: a broker that runs already. keep_kafka: leave Kafka up with its topics until Ctrl-C. keep_run: keep the services' folders.
    select: of the smoke run's tests only these, as pytest's -k.
    """
    with ExitStack() as until_the_end:
        if keep_kafka and not bootstrap:
            from testbeam.kit.stack import Stack
            from testbeam.stacks.roles.broker.declaration import broker

            bootstrap = until_the_end.enter_context(Stack(broker()).run())["broker"].endpoints["kafka"]
        replacements = (Replacement(role="broker", kind="external", value=bootstrap),) if bootstrap else ()
        further = ("--suite-keep-run",) if keep_run else ()
        order = runner.Order(
            role="control",
            subject=Subject(replacements=replacements),
            folder=folder,
            select=f"({SELECTED}) and ({select})" if select else SELECTED,
            further=further,
        )
        outcome = runner.run(order)
        summary.show(outcome, console)
        tell(outcome.as_json())
        if keep_kafka:
            console.print(f"Kafka is up at {bootstrap}; Ctrl-C ends it", highlight=False)
            threading.Event().wait()
    return outcome.ok
