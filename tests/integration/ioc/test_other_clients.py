"""Do the clients of EPICS base see what ours see? libca, through aioca, in a process of its own with the environment of a stack."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from testbeam.kit.environment import scrubbed
from testbeam.stacks.roles.ioc.declaration import IocHandle, epics_environment
from testbeam.transport.ca.client import CaClient

READ_ALL = """
import asyncio, json, sys
from aioca import FORMAT_CTRL, FORMAT_TIME, caget

def plain(value):
    return value.tolist() if hasattr(value, "tolist") else str(value) if isinstance(value, str) else value + 0

async def main():
    answers = {}
    for pv in sys.argv[1:]:
        now, control = await caget(pv, format=FORMAT_TIME), await caget(pv, format=FORMAT_CTRL)
        names = "lower_alarm_limit", "upper_alarm_limit", "lower_ctrl_limit", "upper_ctrl_limit"
        limits = [getattr(control, name, None) for name in names]
        answers[pv] = {
            "value": plain(now), "severity": now.severity, "timestamp_ns": now.raw_stamp[0] * 10**9 + now.raw_stamp[1],
            "units": getattr(control, "units", ""), "choices": list(getattr(control, "enums", ())), "limits": limits,
        }
    print(json.dumps(answers))

asyncio.run(main())
"""
PVS = ("VOLT", "VOLT-RB", "TEMP", "CYCLES", "POWER", "MODE-RB", "SAMPLE", "SPECTRUM", "COMMENT")


@pytest.fixture(scope="module")
def by_libca(demo: IocHandle) -> dict[str, dict[str, Any]]:
    demo.pv("T:TEMP", "ca").put(4.2)
    demo.pv("T:MODE", "ca").put("CC")
    demo.pv("T:COMMENT", "ca").put("cold")
    environment = scrubbed(os.environ) | epics_environment([demo.address])
    argv = [sys.executable, "-c", READ_ALL, *(f"T:{pv}" for pv in PVS)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=True)
    answers = json.loads(done.stdout)
    assert isinstance(answers, dict)
    return answers


@pytest.mark.parametrize("pv", PVS)
def test_our_client_reads_what_libca_reads(demo: IocHandle, by_libca: dict[str, dict[str, Any]], pv: str) -> None:
    theirs = by_libca[f"T:{pv}"]
    with CaClient(demo.address) as client:
        channel = client.channel(f"T:{pv}")
        ours, limits = channel.get(), channel.properties().limits

    assert ours.value == theirs["value"]
    assert (ours.severity, ours.timestamp_ns) == (theirs["severity"], theirs["timestamp_ns"])
    assert (ours.units, list(ours.choices)) == (theirs["units"], theirs["choices"])
    our_limits = [None] * 4 if limits is None else [float(limit) for limit in (*limits.alarm, *limits.control)]
    assert str([limit if limit is None else float(limit) for limit in theirs["limits"]]) == str(our_limits)  # as text: nan is nan


@pytest.mark.parametrize("pv", PVS)
def test_both_protocols_tell_the_same(demo: IocHandle, pv: str) -> None:
    by_ca, by_pva = demo.pv(f"T:{pv}", "ca").read(), demo.pv(f"T:{pv}", "pva").read()

    assert by_ca.text == by_pva.text
    assert (by_ca.severity, by_ca.status, by_ca.timestamp_ns) == (by_pva.severity, by_pva.status, by_pva.timestamp_ns)
    assert (by_ca.units, by_ca.choices) == (by_pva.units, by_pva.choices)
