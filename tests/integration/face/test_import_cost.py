"""`import testbeam` costs nothing: each name is imported when it is first used."""

import json
import subprocess
import sys

import pytest

LOADED = "import json, sys; print(json.dumps(sorted(name for name in sys.modules if not name.startswith('_'))))"


def loaded(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", f"{code}; {LOADED}"], capture_output=True, text=True, timeout=60, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("face", ["clients", "probes", "faults", "nexus", "audit", "kafkatools"])
def test_a_face_brings_nothing_before_a_name_is_used(face: str) -> None:
    modules = loaded(f"import testbeam.{face}")

    assert {name for name in modules if name.startswith("testbeam")} == {
        "testbeam",
        f"testbeam.{face}",
        "testbeam._lazy",
        "testbeam._version",
    }


def test_declaring_a_service_brings_no_client_library() -> None:
    modules = loaded("from testbeam import Port, Service, Stack; Stack(Service('a', command=('a',), ports=(Port(name='p'),)))")

    assert not modules & {"numpy", "h5py", "confluent_kafka", "p4p", "pytest", "typer", "rich"}
