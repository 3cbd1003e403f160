"""`testbeam doctor` on this machine, and on one that lacks nearly everything."""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbeam.kit import private_net
from tests.integration.stacks.conftest import Engine


def doctor(*words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "testbeam", "doctor", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, env=os.environ | {"COLUMNS": "200"} | env)


def test_this_machine_can_run_the_reference_stack(tmp_path: Path) -> None:
    started_s = time.monotonic()

    done = doctor("--json", str(tmp_path / "doctor.json"))

    found = json.loads((tmp_path / "doctor.json").read_text())
    assert done.returncode == 0, done.stdout
    assert found["ok"] is True
    states = {one["name"]: one["state"] for one in found["findings"]}
    assert [states[name] for name in ("no orphans", "Kafka client", "Channel Access", "messages to Kafka")] == ["good"] * 4
    assert "✓ Java" in done.stdout
    assert "The reference stack can run here" in done.stdout or "Everything can be done" in done.stdout
    assert time.monotonic() - started_s < 60


def test_standard_output_can_be_read_by_programs() -> None:
    assert json.loads(doctor("--json", "-").stdout)["findings"]


def test_what_is_lacking_is_named_with_its_remedy_and_ends_with_code_1() -> None:
    done = doctor(KAFKA_HOME="/no/kafka", PATH="/no/tools")

    assert done.returncode == 1
    assert "✗ Kafka" in done.stdout
    assert "→ correct KAFKA_HOME, or unset it" in done.stdout
    assert "– private networks" in done.stdout


def test_a_kafka_client_that_its_options_keep_from_the_broker_is_named(tmp_path: Path) -> None:
    (tmp_path / "site.conf").write_text("security.protocol=SSL\n")

    done = doctor("--json", "-", TESTBEAM_KAFKA_CONFIG=str(tmp_path / "site.conf"))

    found = {one["name"]: one for one in json.loads(done.stdout)["findings"]}["Kafka client"]
    assert (done.returncode, found["state"]) == (1, "lacking")
    assert f"{tmp_path / 'site.conf'}, which asks for TLS" in found["remedy"]


@pytest.mark.skipif(not private_net.is_allowed(), reason="networks of one's own are forbidden here")
def test_a_kafka_client_that_makes_no_address_of_loopback_is_named(tmp_path: Path) -> None:
    (tmp_path / "site.conf").write_text("broker.address.family=v4\n")
    argv = ["unshare", "-Urn", "sh", "-c", f"ip link set lo up; exec {sys.executable} -m testbeam doctor --json -"]
    env = os.environ | {"TESTBEAM_KAFKA_CONFIG": str(tmp_path / "site.conf")}

    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=env)

    found = {one["name"]: one for one in json.loads(done.stdout)["findings"]}
    assert "Failed to resolve '127.0.0.1" in found["Kafka client"]["detail"]
    assert "is to be any" in found["Kafka client"]["remedy"]
    assert found["loopback addresses"]["state"] == "good"


def test_leftovers_are_removed_on_request_alone(engine: Engine, tmp_path: Path) -> None:
    done = doctor("--remove-leftovers", TMPDIR=str(tmp_path))

    assert done.returncode == 0
    assert "0 containers of runs that are over were removed\n" in done.stdout
    assert engine.containers() == []


def test_folders_of_runs_that_are_over_are_removed_without_an_engine(tmp_path: Path) -> None:
    parent = tmp_path / "of runs"
    for name in ("testbeam-over", "testbeam-lives", "testbeam-no-run", "other"):
        (parent / name / "log").mkdir(parents=True)
    for name in ("testbeam-over", "testbeam-lives", "other"):
        (parent / name / "events.jsonl").touch()
    (parent / "testbeam-simple-check" / "tools").mkdir(parents=True)
    fd = os.open(parent / "testbeam-lives", os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        done = doctor("--remove-leftovers", TMPDIR=str(parent), TESTBEAM_CONTAINER_ENGINE="/no/engine")
    finally:
        os.close(fd)

    assert done.returncode == 0, done.stderr
    assert "2 folders of runs that are over were removed" in done.stdout
    assert sorted(entry.name for entry in parent.iterdir()) == ["other", "testbeam-lives", "testbeam-no-run"]
