"""Checks with a network of their own: cut and restored, and a compiled IOC whose `localhost` is its machine's."""

import sys

import pytest

from testbeam.kit import private_net
from tests.integration.driver.conftest import RunCheck

DB = """
record(ai, "V-RB") { field(DTYP, "stream") field(INP, "@psu.proto get PS1") field(SCAN, ".2 second") }
record(ai, "X") { field(VAL, "3") }
"""
PROTOCOL = 'Terminator = LF; ReplyTimeout = 300; get { out ":volt?"; in "%f"; }'
TWO = """
private = true
[machines.psu.units.simulator]
device = "power_supply"
port = 9999
[machines.crate.units.ioc]
db = "psu.db"
ports = { PS1 = "psu:9999" }
protocols = "."
"""
CUT = """
start_all()
crate.pv("V-RB").expect_no_alarm(within_s=60)
with subtest("the device is cut off"):
    psu.block()
    crate.pv("V-RB").expect_alarm("INVALID", within_s=60)
    assert crate.get_unit_state("ioc") == "active"
with subtest("and comes back"):
    psu.unblock()
    psu.simulator().set(voltage=7.0)
    crate.pv("V-RB").expect(7, within_s=60)
with subtest("the IOC is cut off"):
    crate.block()
    assert "Traceback" not in psu.fail("caget -w 0.5 X 2>&1")
    crate.unblock()
    psu.wait_until_succeeds("caget -w 1 X", timeout=60)
"""
COMPILED = """
[machines.machine.units.ioc]
st_cmd = "iocBoot/st.cmd"
binary = "bin/ioc"
macros = { PREFIX = "C:" }
"""
PROGRAM = """
import sys
from testbeam.services.ioc.base import Base
base = Base.load()
base.com.iocsh(sys.argv[1].encode())
base.com.iocsh(None)
base.exit()
"""  # as the main program of a compiled IOC does
START = """
dbLoadRecords("../psu.db", "P=$(PREFIX)")
iocInit()
"""
BOTH = """
machine.wait_until_succeeds("caget C:Y", timeout=60)
machine.succeed("caput C:Y 5")
machine.pv("C:Y", protocol="pva").expect(5)
assert "C:Y" in machine.iocsh("dbl").split()
machine.send_console("dbpf C:Y 8")
machine.pv("C:Y").expect(8)
machine.systemctl("restart ioc")
machine.pv("C:Y").expect(1, within_s=60)
machine.succeed("systemctl stop ioc")
machine.fail("caget -w 0.3 C:Y")
"""


pytestmark = pytest.mark.skipif(not private_net.is_allowed(), reason="the kernel allows no network of one's own; see testbeam doctor")


def test_a_machine_is_cut_off_and_comes_back(run_check: RunCheck) -> None:
    ended = run_check(CUT, TWO, files={"psu.db": DB, "psu.proto": PROTOCOL})

    assert ended.code == 0, ended.errors


def test_a_compiled_ioc_in_the_place_of_ours(run_check: RunCheck) -> None:
    files = {
        "bin/ioc": f"#!{sys.executable}\n{PROGRAM}",
        "iocBoot/st.cmd": START,
        "psu.db": 'record(ao, "$(P)Y") { field(VAL, "1") field(PINI, "YES") }',
    }
    ended = run_check("import os\nos.chmod(os.path.join(os.path.dirname(__file__), 'bin/ioc'), 0o755)\n" + BOTH, COMPILED, files=files)

    assert ended.code == 0, ended.errors
