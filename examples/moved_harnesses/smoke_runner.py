"""A smoke runner for instrument control: everything is started, a user's commands are run, the file they made is looked at.

`python smoke_runner.py [--bootstrap HOST:PORT] [--setups FOLDER]`; exit code 0 when all came true.
"""

import argparse
import sys
from pathlib import Path

import h5py

from testbeam import control_stack
from testbeam.clients import wait_for_condition

SCAN = """
with nexusfile_open("smoke"):
    scan(SmokeBasicMoveable, [0, 5, 10], timer=0.5)
"""
PV = "TEST:SMOKE:MOVE.RBV"
STATES = "[job.get_state_string() for job in FileWriterStatus._jobs_in_order.values()]"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bootstrap", default="", help="a broker that runs already")
    options.add_argument("--setups", action="append", default=[], help="a folder of setup files of your own")
    given = options.parse_args()
    with control_stack(bootstrap=given.bootstrap, setups=given.setups).run() as run, run["daemon"].client("admin", "admin") as client:
        print("ready:", ", ".join(f"{name} {run[name].ready_s:.1f} s" for name in ("broker", "filewriter", "daemon")))
        client.NewSetup("system", "epics_basic", "detector", timeout=90)
        client.NewExperiment(1234, "smoke run", [{"name": "contact"}], [{"name": "smoke user"}])
        client.SetDetectors("det")
        moveable = client.dev("SmokeBasicMoveable")
        client.maw(moveable, 1)
        assert abs(client.read(moveable) - 1) < 0.05
        wait_for_condition(lambda: PV in client.eval("list(KafkaForwarder.forwarded)"), within_s=30, what="the forwarder has the PV")
        client.execute(SCAN, timeout=120)
        wait_for_condition(lambda: client.eval(STATES) == ["WRITTEN"], within_s=30, what="the file is written")
        (file,) = Path(run.folder).rglob("data/**/*.hdf")
        with h5py.File(file) as nexus:
            print(f"{file.name}: {', '.join(nexus['entry'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
