"""Files: a scan within a job of a real file-writer, whose file holds what the device did; job states as the field knows them."""

import json
import time
import uuid
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from testbeam.clients.control import Client
from testbeam.wire.flatbuffers import registry

SCAN = dedent(
    """
    jobs_before = FileWriterControl.get_active_jobs()
    with nexusfile_open({title!r}):
        jobs_during = FileWriterControl.get_active_jobs()
        import time as clock
        deadline = clock.monotonic() + 20
        state_during = ""
        while state_during != "STARTED" and clock.monotonic() < deadline:
            job = list(FileWriterStatus._jobs_in_order.values())[-1]
            state_during = job.get_state_string()
            service_during = job.service_id
            clock.sleep(0.05)
        scan(SmokeBasicMoveable, [0, 5, 10], timer=0.5)
    jobs_after = FileWriterControl.get_active_jobs()
    """
)
ROWS = (
    "[(job.job_id, job.job_number, job.get_state_string(), job.stop_requested, job.error_msg, job.service_id)"
    " for job in FileWriterStatus._jobs_in_order.values()]"
)


def wait_for_state(client: Client, job_id: str, state: str, within_s: float = 30) -> Any:
    end_s = time.monotonic() + within_s
    rows: list[Any] = []
    while time.monotonic() < end_s:
        rows = client.eval(ROWS)
        found = [row for row in rows if row[0] == job_id and row[2] == state]
        if found:
            return found[0]
        time.sleep(0.05)
    pytest.fail(f"no job {job_id} was {state} within {within_s} s; jobs: {rows}")


@pytest.fixture(scope="module")
def scanned(smoke_client: Client) -> dict[str, Any]:
    """One scan within a file, and what was known of its job."""
    client = smoke_client
    client.NewSetup("system", "epics_basic", "detector", timeout=90)
    client.NewExperiment(1234, "smoke run", [{"name": "contact"}], [{"name": "smoke user"}])
    client.NewSample("smoke-sample")
    client.SetDetectors("det")
    client.maw(client.dev("SmokeBasicMoveable"), 1)
    wait_until_forwarded(client)
    client.execute(SCAN.format(title="Scan title"), timeout=120)
    words = ("jobs_before", "jobs_during", "state_during", "service_during", "jobs_after")
    known = {word: client.eval(word) for word in words}
    known["row"] = wait_for_state(client, next(iter(known["jobs_during"])), "WRITTEN")
    return known


def wait_until_forwarded(client: Client) -> None:
    end_s = time.monotonic() + 30
    while "TEST:SMOKE:MOVE.RBV" not in client.eval("list(KafkaForwarder.forwarded)"):
        assert time.monotonic() < end_s, "the forwarder does not say within 30 s that it forwards the moveable"
        time.sleep(0.1)


def test_a_job_is_there_while_the_file_is_open_and_not_before_or_after(scanned: dict[str, Any]) -> None:
    assert not scanned["jobs_before"]
    assert len(scanned["jobs_during"]) == 1
    assert not scanned["jobs_after"]


def test_the_job_is_started_then_written_by_the_writer_that_took_it(scanned: dict[str, Any]) -> None:
    _, _, state, stop_requested, error, service = scanned["row"]

    assert scanned["state_during"] == "STARTED"
    assert state == "WRITTEN"
    assert stop_requested is True
    assert not error
    assert service == scanned["service_during"] != ""


def test_the_job_id_is_a_uuid_that_tells_proposal_and_file(scanned: dict[str, Any]) -> None:
    job_id = uuid.UUID(scanned["row"][0])

    assert job_id.version == 5
    assert job_id.hex[:6] == "001234" or job_id.hex.startswith("1234")


def test_the_start_command_is_as_the_field_sends_it(scanned: dict[str, Any], shared_run: Any) -> None:
    sent = [registry.decode(one.payload) for one in shared_run["broker"].topic("test_smoke_filewriter_pool").messages()]
    start = next(one for one in sent if one.job_id == scanned["row"][0])

    assert start.broker == ""
    assert start.run_name == ""
    assert not start.filename.startswith("/")
    assert start.control_topic == "test_smoke_filewriter" or start.control_topic == "test_smoke_filewriter_control"
    assert start.stop_time_ms - start.start_time_ms > 9 * 365 * 86_400_000
    assert json.loads(start.nexus_structure)["children"][0]["name"] == "entry"


def test_the_file_holds_what_the_device_did(scanned: dict[str, Any], shared_run: Any) -> None:
    import h5py

    number = int(scanned["row"][1])
    files = [path for path in Path(shared_run["daemon"].data_root).rglob("*.hdf") if path.stem.endswith(f"{number:08d}")]
    assert len(files) == 1
    with h5py.File(files[0]) as file:
        values = list(file["entry/instrument/moveable/SmokeBasicMoveable_value/value"][:])
        assert file["entry/title"][()] == b"Scan title"
        assert values[-3:] == [0, 5, 10]
        assert file["entry/instrument/name"][()] == b"SMOKE"


def test_numbers_of_files_are_counted(scanned: dict[str, Any], smoke_client: Client) -> None:
    lines = (smoke_client.runtime_root / "data" / "counters").read_text().splitlines()

    assert f"file {scanned['row'][1]}" in lines
    assert int(smoke_client.eval("session.experiment.get_current_run_number()")) == int(scanned["row"][1])


def test_jobs_are_listed(scanned: dict[str, Any], smoke_client: Client) -> None:
    reqid = smoke_client.execute("list_filewriting_jobs()", timeout=30)

    said = " ".join(message[3] for message in smoke_client.messages(100) if message[5] == reqid)
    assert "WRITTEN" in said
