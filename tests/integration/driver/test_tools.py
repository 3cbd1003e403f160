"""EPICS' command-line tools on a machine's PATH: what they print, on which stream, and with which exit code."""

import pytest

from tests.integration.driver.conftest import RunCheck

DB = """
record(ao, "V") { field(VAL, "1.5") field(PREC, "3") field(EGU, "V") field(DRVH, "10") field(DRVL, "0") field(PINI, "YES") }
record(bo, "ON") { field(ZNAM, "off") field(ONAM, "on") field(PINI, "YES") }
record(mbbo, "MODE") { field(ZRST, "CV") field(ONST, "CC") field(TWST, "2") field(TWVL, "2") field(ONVL, "1") field(PINI, "YES") }
record(stringout, "TEXT") { field(VAL, "two words") field(PINI, "YES") }
record(waveform, "W") { field(FTVL, "DOUBLE") field(NELM, "4") }
record(waveform, "C") { field(FTVL, "CHAR") field(NELM, "40") }
record(longout, "N") { field(VAL, "-1") field(PINI, "YES") }
record(ao, "LOCKED") { field(DISP, "1") }
"""
TOML = '[machines.machine.units.ioc]\ndb = ["tools.db"]\n'

# command, exit code, standard output (None: not looked at), part of standard error
READS = [
    ("caget -t V", 0, "1.5\n", ""),
    ("caget V", 0, "V                              1.5\n", ""),
    ("caget -t V TEXT", 0, "1.5\ntwo words\n", ""),
    ("caget -F, V", 0, "V,1.5\n", ""),
    ("caget -t ON", 0, "off\n", ""),
    ("caget -0x -t N", 0, "0xFFFFFFFF\n", ""),
    ("caget nowhere", 1, "", "Channel connect timed out: 'nowhere' not found."),
    ("caget -t V nowhere", 0, None, "some PV(s) not found"),
    ("caget", 1, "", "No pv name specified"),
    ("caget -y V", 1, "", "Unrecognized option: '-y'"),
    ("cainfo V | grep -c 'DBF_DOUBLE'", 0, "1\n", ""),
    ("pvget nowhere -w 1", 1, None, ""),
    ("pvget V | grep -c 1.5", 0, "1\n", ""),
    ("pvinfo V | grep -q NTScalar", 0, "", ""),
]
WRITES = [
    ("caput V 4", 0, "Old : V                              1.5\nNew : V                              4\n", ""),
    ("caput -c V 99 >/dev/null && caget -t V", 0, "10\n", ""),
    ("caput ON on >/dev/null; caget -t ON", 0, "on\n", ""),
    ("caput ON sideways", 1, None, "Enum string value 'sideways' invalid."),
    ("caput -s MODE 2 >/dev/null; caget -t -n MODE", 0, "2\n", ""),
    ("caput TEXT three more words >/dev/null; caget -t TEXT", 0, "three more words\n", ""),
    ("caput -a W 3 1 2.5 -3 >/dev/null; caget -t W", 0, "3 1 2.5 -3\n", ""),
    ("caput -S C hello >/dev/null; caget -t -S C", 0, "hello\n", ""),
    ("caput nowhere 1", 1, "", "not found"),
    ("caput V", 1, "", "No value specified"),
    ("caput LOCKED 1", 0, None, ""),
    ("caput -c LOCKED 1", 1, None, "Channel write request failed"),
    ("pvput V 2.5 | tail -1 | grep -c 2.5", 0, "1\n", ""),
]
SCRIPT = """
import subprocess
machine.wait_until_succeeds("caget -w 1 V", timeout=60)
wrong = []
for command, code, output, error in {cases!r}:
    found, printed = machine.execute("set +e; (" + command + ") 2>errors; exit $?", timeout=60)
    said = machine.succeed("cat errors")
    if found != code or output is not None and printed != output or error not in said:
        wrong.append(f"{{command}}: exit code {{found}}, {{printed!r}}, {{said!r}}")
assert not wrong, "\\n".join(wrong)
"""


@pytest.mark.parametrize("cases", [READS, WRITES], ids=["reads", "writes"])
def test_tools_print_and_end_as_epics_own(cases: list[tuple[str, int, str | None, str]], run_check: RunCheck) -> None:
    ended = run_check(SCRIPT.format(cases=cases), TOML, files={"tools.db": DB})
    assert ended.code == 0, ended.answer["checks"][0]["problem"]
