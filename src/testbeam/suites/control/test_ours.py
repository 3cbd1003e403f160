"""Tests of what only testbeam's control has: the chat, which the field has given up, and a counter behind EPICS."""

import json
from typing import Any

import pytest

from testbeam.clients.control import Client


def test_a_message_reaches_the_chat(client: Client, shared_run: Any, ours: bool) -> None:
    if not ours:
        pytest.skip("the field's NICOS has no chat since July 2026")
    client.AddSetup("ours", timeout=30)
    client.execute("scichat_send('beam is on')")

    (said,) = [json.loads(one.payload) for one in shared_run["broker"].topic("test_smoke_scichat").messages()]
    assert said == {"proposal": "1234", "instrument": "SMOKE", "source": "NICOS", "message": "beam is on"}


def test_a_counter_behind_epics_is_counted(client: Client, ours: bool) -> None:
    if not ours:
        pytest.skip("a class of testbeam's own")
    client.AddSetup("ours", timeout=30)
    client.execute("count(epicsdet, t=1)")

    seconds, counts = client.eval("epicsdet.read(0)")
    assert seconds == pytest.approx(1, abs=0.2)
    assert counts == pytest.approx(500, rel=0.3)


def test_a_scan_is_a_file_of_text(client: Client, shared_run: Any, ours: bool) -> None:
    if not ours:
        pytest.skip("the field's sink of this name wants another experiment")
    client.AddSetup("ours", timeout=30)
    client.scan(client.dev("SmokeBasicMoveable"), [0, 1], t=0.1)

    number = int(client.eval("session.experiment.lastscan"))
    lines = (shared_run["daemon"].data_root / "scans" / f"scan_{number:08d}.dat").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines if not line.startswith("#")] == ["0", "1"]
    assert lines[-1] == "# finished: 2 of 2 points"
