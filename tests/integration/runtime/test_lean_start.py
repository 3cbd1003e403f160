"""A program starts without what it does not need yet."""

import subprocess
import sys

import pytest

from testbeam.runtime.lean_start import postponed


def run(code: str) -> str:
    """Return what a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.mark.parametrize("service", ["services.forwarder", "services.filewriter", "simulators.event_source"])
def test_a_service_waits_for_its_broker_without_numpy_h5py_and_asyncio(service: str) -> None:
    heavy = run(
        "import sys; from testbeam.runtime.lean_start import load_kafka_client\n"
        "load_kafka_client()\n"
        f"import testbeam.{service}.service\n"
        "print(sorted({'asyncio', 'numpy', 'h5py', 'p4p'} & set(sys.modules)))"
    )

    assert heavy == "[]"


def test_what_is_postponed_is_loaded_once_something_of_it_is_asked_for() -> None:
    said = run(
        "import sys; from testbeam.runtime.lean_start import postponed\n"
        "with postponed('wave'): import wave as early\n"
        "print('wave' in sys.modules, early.Wave_read.__name__, 'wave' in sys.modules)\n"
        "import wave; print(wave.Wave_read is early.Wave_read)"
    )

    assert said == "False Wave_read True\nTrue"


def test_what_is_asked_for_within_the_block_is_loaded_there() -> None:
    said = run(
        "import sys; from testbeam.runtime.lean_start import postponed\n"
        "with postponed('wave'):\n"
        "    import wave\n"
        "    wave.Wave_read\n"
        "print(sys.modules['wave'].__file__ is not None)"
    )

    assert said == "True"


def test_what_is_loaded_already_stays_as_it_is() -> None:
    with postponed("sys"):
        import sys as again

        assert again is sys
    assert sys.modules["sys"] is sys
