"""Explanation of a failed test: the PVs it names with their past, what went over the wire, the console, the alarm, in order of time.

An answer that no protocol has read is marked.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbeam.driver.log import TestLog
from testbeam.driver.machine import Machine
from testbeam.driver.native import SEVERITIES
from testbeam.driver.units import START_REPORT, WIRE_LOG
from testbeam.driver.watch import PvWatch
from testbeam.errors import TestbeamError
from testbeam.kit.logs import tail
from testbeam.wire.pv_reading import Reading

_LINES = 30
_TOOLS = re.compile(r"\b(?:caget|caput|camonitor|cainfo|pvget|pvput|pvmonitor|pvinfo)\b[^|;&]*")


@dataclass(slots=True)
class Explanation:
    """Headed blocks of text, the most telling first."""

    blocks: list[tuple[str, str]] = field(default_factory=list)

    def add(self, title: str, text: str) -> None:
        """Add a block unless it is empty."""
        if text.strip():
            self.blocks.append((title, text.rstrip()))

    def __str__(self) -> str:
        return "\n\n".join(f"--- {title}\n{text}" for title, text in self.blocks)


def explain(machines: Mapping[str, Machine], log: TestLog, watches: Mapping[str, PvWatch]) -> Explanation:
    """Return what is known of a failure, of all machines."""
    explanation = Explanation()
    for machine in machines.values():
        title = "" if len(machines) == 1 else f"{machine.name}: "
        entries = wire_entries(machine)
        explanation.add(f"{title}unread replies", unread(entries))
        explanation.add(f"{title}PVs now", pvs_now(machine))
        explanation.add(f"{title}what happened, in order of time", time_line(log, watches.get(machine.name), entries))
        explanation.add(f"{title}what the start-up file asks for and is not done", start_notes(machine))
        for name, text in consoles(machine):
            explanation.add(f"{title}console of {name}", text)
    return explanation


def wire_entries(machine: Machine) -> list[dict[str, Any]]:
    """Return what went over the ports of the machine's IOCs."""
    entries: list[dict[str, Any]] = []
    for ioc in machine.iocs().values() if machine.run is not None else ():
        path = ioc.folder / WIRE_LOG
        if path.exists():
            entries += [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return entries


def unread(entries: list[dict[str, Any]]) -> str:
    """Return a sentence for each protocol that leaves an answer unread."""
    found: dict[str, str] = {}
    for entry in entries:
        if entry["kind"] == "unread":
            reply = _reply([entry | {"kind": "in"}])
            text = f'{entry["record"]}: "{reply}" was thrown away unread: {entry["note"]}'
            found.setdefault(entry["record"], text + (f'; add  in "{reply}";  after its out' if "reply to" in entry["note"] else ""))
        elif entry["kind"] == "result" and entry["note"] == "mismatch":
            _blame(found, entry, entries)
    return "\n".join(found.values())


def _blame(found: dict[str, str], mismatch: dict[str, Any], entries: list[dict[str, Any]]) -> None:
    """Find the write whose answer was taken for another one's: the last by another record whose protocol read nothing."""
    before = [entry for entry in entries if entry["port"] == mismatch["port"] and entry["t"] <= mismatch["t"]]
    for index in range(len(before) - 1, -1, -1):
        entry = before[index]
        if entry["kind"] == "out" and entry["record"] != mismatch["record"] and not _answered(before, index):
            reply = _reply(before[index + 1 :])
            text = f'{entry["record"]}: its protocol does not read the reply "{reply}" to "{_shown(entry["data"])}"'
            found.setdefault(entry["record"], f'{text}, which {mismatch["record"]} then got; add  in "{reply}";  after its out')
            return


def _reply(entries: list[dict[str, Any]]) -> str:
    """Return the first line that came in."""
    data = next((entry["data"] for entry in entries if entry["kind"] == "in"), "…")
    return _shown(re.split(r"[\r\n]", data, maxsplit=1)[0])


def _answered(entries: list[dict[str, Any]], index: int) -> bool:
    """Tell whether input came between a write and the end of its protocol."""
    record = entries[index]["record"]
    for entry in entries[index + 1 :]:
        if entry["kind"] == "in":
            return True
        if entry["kind"] == "result" and entry["record"] == record:
            return False
    return False


def pvs_now(machine: Machine) -> str:
    """Return the PVs that the failing command, or the script by `pv`, names."""
    names = list(machine.pvs)
    for command in machine.last_commands:
        for part in _TOOLS.findall(command):
            names += [f"ca {word}" for word in part.split()[1:2] + part.split()[2:] if not word.startswith("-") and not word[0].isdigit()]
    lines = []
    for key in dict.fromkeys(names):
        protocol, _, name = key.partition(" ")
        try:
            reading = machine.pv(name.strip("'\""), "pva" if protocol == "pva" else "ca").read(0.5)
        except TestbeamError as error:
            lines.append(f"{name}: {error}")
            continue
        lines.append(f"{name} = {_value(reading)} {reading.units}".rstrip() + f"   alarm {SEVERITIES[reading.severity]} {reading.status}")
    return "\n".join(lines)


def _value(reading: Reading) -> str:
    return f"{reading.value:g}" if isinstance(reading.value, float) else reading.text[:100]


def time_line(log: TestLog, watch: PvWatch | None, entries: list[dict[str, Any]]) -> str:
    """Return changes of PVs, the wire and the test's own lines, merged."""
    lines = [(stamp, f"test   {line.strip()}") for stamp, line in log.lines if "(finished: " not in line]
    lines += [(entry["t"], _wire_line(entry)) for entry in entries]
    for change in tuple(watch.changes) if watch is not None else ():
        reading = change.reading
        alarm = "" if not reading.severity else f"   {SEVERITIES[reading.severity]} {reading.status}"
        lines.append((change.seen, f"PV     {change.pv} = {_value(reading)}{alarm}"))
    lines.sort(key=lambda entry: entry[0])
    return "\n".join(
        f"{time.strftime('%H:%M:%S', time.localtime(stamp))}.{int(stamp % 1 * 1000):03d} {text}" for stamp, text in lines[-_LINES:]
    )


def _wire_line(entry: dict[str, Any]) -> str:
    arrow = {"out": "→", "in": "←", "unread": "✗ UNREAD"}.get(entry["kind"], entry["kind"])
    data = f' "{_shown(entry["data"])}"' if entry["data"] else ""
    who = f" ({entry['record']})" if entry["record"] else ""
    note = f"  {entry['note']}" if entry["note"] else ""
    return f"wire   {entry['port']} {arrow}{data}{who}{note}"


def _shown(data: str) -> str:
    return data.encode("latin-1").decode("latin-1").encode("unicode_escape").decode()[:120]


def start_notes(machine: Machine) -> str:
    """Return what start-up files ask for and is not done."""
    lines = []
    for ioc in machine.iocs().values() if machine.run is not None else ():
        path = ioc.folder / START_REPORT
        if path.exists():
            notes = json.loads(path.read_text() or "[]")
            lines += [f"{note['file']}, line {note['line']}: {note['command']}: {note['why']}" for note in notes if not note["harmless"]]
    return "\n".join(lines)


def consoles(machine: Machine) -> list[tuple[str, str]]:
    """Return the ends of the units' logs."""
    if machine.run is None:
        return []
    return [(name, "\n".join(tail(Path(handle.log_path), 15))) for name, handle in machine.run.handles.items()]
