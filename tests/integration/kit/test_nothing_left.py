import json
import os
import subprocess
import sys
from pathlib import Path

CYCLES = 100 if os.environ.get("TESTBEAM_SOAK") == "1" else 10
GROWTH_KB = 2048  # a process of ours has 30 MB; ten cycles take 0.2 MB, a hundred not 1 MB


def test_ups_and_downs_leave_no_process_thread_descriptor_socket_or_folder_and_memory_flat(tmp_path: Path) -> None:
    folder = tmp_path / "cycles"
    folder.mkdir()
    told = subprocess.run(  # in a process of its own: clients of other tests have descriptors that come and go
        [sys.executable, "-m", "tests.integration.kit.cycles_program", str(CYCLES)],
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=10 * CYCLES,
    )

    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert not any(found["left"].values()), found
    assert found["grown_kb"] < GROWTH_KB, found
