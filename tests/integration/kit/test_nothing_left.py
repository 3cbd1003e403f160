import os
import tempfile
import threading
from pathlib import Path

from testbeam.kit import guard
from testbeam.kit.spec import Stack
from tests.integration.kit.small_services import listener, open_descriptors, sleeper, stubborn

CYCLES = 100 if os.environ.get("TESTBEAM_SOAK") == "1" else 10


def test_ups_and_downs_leave_no_process_thread_descriptor_socket_or_folder() -> None:
    stack = Stack(listener("server", own_address=True), sleeper("client", "server"), stubborn("stubborn", stop_timeout_s=0.05))
    threads, descriptors, children = threading.enumerate(), open_descriptors(), guard.descendants(os.getpid())

    ids = []
    for _ in range(CYCLES):
        with stack.run() as run:
            ids.append(run.id)
            with run.add(listener("server")) as second:
                assert second.is_running()

    assert threading.enumerate() == threads
    assert open_descriptors() == descriptors
    assert guard.descendants(os.getpid()) == children
    assert [guard.marked(run_id) for run_id in ids] == [[]] * CYCLES
    assert list(Path(tempfile.gettempdir()).iterdir()) == []
