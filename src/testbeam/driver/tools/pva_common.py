"""Parts that the PV Access tools share: options, asking for a PV, printing values.

Source: the manual pages of pvget, pvput, pvmonitor and pvinfo of EPICS 7, and what they print.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from testbeam.driver.tools.ca_common import SEVERITIES
from testbeam.model.time import NS_PER_MS
from testbeam.transport.pva.p4p_import import without_setuptools

STATUSES = ("NO_STATUS", "DEVICE", "DRIVER", "RECORD", "DB", "CONF", "UNDEFINED", "CLIENT")
DEFAULT_WAIT_S = 5.0


def context() -> Any:
    """Return a client configured by the environment: name servers, which are quick, and the address list, where both are given."""
    with without_setuptools():
        from p4p.client.raw import Context  # late: an option that is wrong needs no client
    conf = {name: os.environ.get(name, "") for name in ("EPICS_PVA_NAME_SERVERS", "EPICS_PVA_ADDR_LIST")}
    return Context("pva", conf={**conf, "EPICS_PVA_AUTO_ADDR_LIST": "NO"}, useenv=False, nt=False)


def ask(start: Callable[[Callable[[Any], None]], Any], within_s: float) -> Any:
    """Return the answer of one operation.

    Raises:
        TimeoutError: none came in time.
        Exception: what the server, or p4p, refused with.
    """
    results: SimpleQueue[Any] = SimpleQueue()
    with closing(start(results.put)):
        try:
            result = results.get(timeout=max(within_s, 0.001))
        except Empty:
            raise TimeoutError from None
    if isinstance(result, Exception):
        raise result
    return result


def get(client: Any, name: str, within_s: float) -> Any:
    """Return a PV's structure; raises as `ask`."""
    return ask(partial(client.get, name), within_s)


def line(name: str, value: Any) -> str:
    """Return a PV as `pvget` prints it: name, time, value, and the alarm where there is one."""
    parts = [name, stamp(value), text(value)]
    severity = int(_field(value, "alarm.severity") or 0)
    if severity:
        status, message = int(_field(value, "alarm.status") or 0), str(_field(value, "alarm.message") or "")
        parts += [
            SEVERITIES[severity] if severity < 4 else str(severity),
            STATUSES[status] if status < len(STATUSES) else str(status),
            message,
        ]
    return " ".join(part for part in parts if part) + " "


def text(value: Any) -> str:
    """Return the value as text."""
    held = _field(value, "value")
    index = _field(value, "value.index")
    if index is not None:
        choices = _field(value, "value.choices") or []
        return f"({index}) {choices[index]}" if 0 <= index < len(choices) else f"({index})"
    if hasattr(held, "tolist"):
        held = held.tolist()
    if isinstance(held, list):
        return "[" + ",".join(_plain(one) for one in held) + "]"
    return _plain(held)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def stamp(value: Any) -> str:
    """Return the time."""
    seconds = _field(value, "timeStamp.secondsPastEpoch")
    if not seconds:
        return "<undefined>             " if seconds is not None else ""
    nanoseconds = int(_field(value, "timeStamp.nanoseconds") or 0)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(seconds))}.{nanoseconds // NS_PER_MS:03d} "


def _field(value: Any, path: str) -> Any:
    try:
        return value[path]
    except (KeyError, TypeError, IndexError):
        return None


def parse(argv: Sequence[str], flags: str, usage: str) -> tuple[dict[str, str], list[str]]:
    """Return options and words; a wrong option ends the program with 1."""
    options, words = dict[str, str](), list(argv)
    while words and words[0].startswith("-") and len(words[0]) > 1 and not words[0][1].isdigit():
        word = words.pop(0)
        if word in ("-h", "--help"):
            print(usage)
            sys.exit(0)
        if word[1] in "wrpMF#":
            options[word[1]] = word[2:] or (words.pop(0) if words else "")
        elif word[1] in flags:
            options[word[1]] = "yes"
        else:
            print(f"Unrecognized option: '{word}'. ('-h' for help.)", file=sys.stderr)
            sys.exit(1)
    return options, words


def wait_s(options: dict[str, str]) -> float:
    """Return the time-out."""
    try:
        return float(options.get("w", DEFAULT_WAIT_S))
    except ValueError:
        print(f"'{options['w']}' is not a valid timeout value", file=sys.stderr)
        sys.exit(1)
