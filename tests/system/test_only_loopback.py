"""Where loopback is all the network there is, as in a sealed build, the whole chain works; `testbeam private` makes such a network."""

import subprocess
import sys
from pathlib import Path

import pytest

from testbeam.kit import private_net

CHAIN = """
from testbeam import reference
from testbeam.nexus import log, nexus_structure

with reference.light_chain().run() as run:
    motion = run["broker"].topic("tb_motion")
    for channel, protocol in (("VOLT-RB", "pva"), ("VOLT", "ca")):
        run["forwarder"].forward(channel, protocol=protocol, within_s=50)
    job = run["filewriter"].start_job(nexus_structure(log("volt", topic=motion.name, source="VOLT-RB")), "volt.nxs")
    job.wait_started(within_s=50)
    mark = motion.mark()
    run["ioc"].pv("VOLT", "ca").put(12.5, within_s=60)
    for source in ("VOLT-RB", "VOLT"):
        motion.expect(source=source, value=12.5, since=mark, within_s=50)
    job.stop(within_s=50)
    print("written:", job.wait_written(within_s=100).file_name)
"""


@pytest.mark.skipif(not private_net.is_allowed(), reason="this kernel forbids unprivileged user namespaces")
@pytest.mark.timeout(300)
def test_the_chain_writes_a_file_where_there_is_only_loopback(tmp_path: Path) -> None:
    script = tmp_path / "chain.py"
    script.write_text(CHAIN)

    done = subprocess.run(
        [sys.executable, "-m", "testbeam", "private", sys.executable, str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "written:" in done.stdout
