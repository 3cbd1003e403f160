# ruff: noqa: E501
"""What is found in the sources of an IOC before it runs."""

from pathlib import Path

import pytest

from testbeam.services.ioc.lint import Definitions, Finding, Lint, scripts

DEFINITIONS = Definitions(
    types=frozenset(("ai", "ao", "bo", "stringin", "calc", "calcout", "longin")),
    devices=frozenset({("ai", "Raw Soft Channel"), ("ao", "Async Soft Channel")}),
    fields={"ai": frozenset(("DTYP", "INP", "SCAN", "EGU")), "ao": frozenset(("DTYP", "OUT", "FLNK"))},
)
ST_CMD = """#!../../bin/linux-x86_64/x
< envPaths
epicsEnvSet("STREAM_PROTOCOL_PATH", "$(TOP)/xApp/Db")
drvAsynIPPortConfigure("PS1", "localhost:9999")
dbLoadRecords("db/x.db", "P=T:,PORT=PS1")
iocInit()
"""
DB = """record(ai, "$(P)RB") { field(DTYP, "stream") field(INP, "@x.proto get $(PORT)") }
record(ao, "$(P)SP") {
    field(DTYP, "stream")
    field(OUT,  "@x.proto set $(PORT)")
}
"""
PROTO = """Terminator = LF;
get { out ":volt?"; in "%f"; }
set {
    out ":volt %f";
    in "OK";
}
"""


def found(tmp_path: Path, st_cmd: str = ST_CMD, db: str = DB, proto: str = PROTO) -> list[Finding]:
    for name, text in (("iocBoot/iocX/st.cmd", st_cmd), ("xApp/Db/x.db", db), ("xApp/Db/x.proto", proto)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return Lint(scripts(tmp_path)[0], DEFINITIONS).run()


def test_a_good_tree_has_no_findings(tmp_path: Path) -> None:
    assert found(tmp_path) == []


CASES = {
    "unread reply": ({"proto": PROTO.replace('    in "OK";\n', "")}, "xApp/Db/x.proto", 4, 'protocol set does not read what the device answers to ":volt %f"'),
    "unset macro in st.cmd": ({"st_cmd": ST_CMD.replace("P=T:", "P=$(NOWHERE)")}, "iocBoot/iocX/st.cmd", 5, "macro NOWHERE has no value"),
    "unset macro in db": ({"db": DB + 'record(ai, "$(P)$(Q)") {}\n'}, "xApp/Db/x.db", 6, "macro Q has no value"),
    "unknown type": ({"db": DB + 'record(scalcout, "T:S") {}\n'}, "xApp/Db/x.db", 6, "of type scalcout, which base does not have; it is left out here, as it needs module calc, which is C code"),
    "asyn record": ({"db": DB + 'record(asyn, "T:A") {}\n'}, "xApp/Db/x.db", 6, "an asynRecord"),
    "unknown DTYP": ({"db": DB.replace('"stream"', '"asynFloat64"', 1)}, "xApp/Db/x.db", 1, "no DTYP 'asynFloat64' for ai; there are stream, Raw Soft Channel"),
    "unknown command": ({"st_cmd": ST_CMD + "fooBar(1)\n"}, "iocBoot/iocX/st.cmd", 7, "unknown command fooBar"),
    "site driver": ({"st_cmd": ST_CMD + "drvModbusAsynConfigure(1)\n"}, "iocBoot/iocX/st.cmd", 7, "Modbus is not supported"),
    "unknown field": ({"db": DB + 'record(ai, "T:F") {\n    field(SCAM, "1 second")\n}\n'}, "xApp/Db/x.db", 7, "T:F: a record of type ai has no field SCAM; did you mean SCAN?"),
    "no link": ({"db": DB.replace('field(INP, "@x.proto get $(PORT)")', "")}, "xApp/Db/x.db", 1, "T:RB.INP: the link is empty"),
    "no @": ({"db": DB.replace('"@x.proto get', '"x.proto get')}, "xApp/Db/x.db", 1, "does not begin with '@'"),
    "no port": ({"db": DB.replace("get $(PORT)", "get PS9")}, "xApp/Db/x.db", 1, "no port 'PS9'; the start-up file makes PS1"),
    "no protocol": ({"db": DB.replace("proto get", "proto gett")}, "xApp/Db/x.db", 1, "no protocol 'gett'"),
    "no protocol file": ({"db": DB.replace("x.proto get", "y.proto get")}, "xApp/Db/x.db", 1, "no protocol file 'y.proto'"),
    "no database": ({"st_cmd": ST_CMD.replace("x.db", "nope.db")}, "iocBoot/iocX/st.cmd", 5, "there is no file db/nope.db"),
    "unused protocol": ({"proto": PROTO + "spare { wait 1; }\n"}, "xApp/Db/x.proto", 7, "protocol spare is used by no record"),
    "wrong type": ({"proto": PROTO.replace("%f", "%s", 1)}, "xApp/Db/x.proto", 2, "%s is of type string, which a record of type ai does not take"),
    "greedy": ({"proto": PROTO.replace('in "OK"', 'in "%(DESC)sV"')}, "xApp/Db/x.proto", 5, '%s takes everything up to white space'),
    "shadowed": ({"proto": PROTO.replace('in "OK"', 'in "%(PREC){ON|ONLINE}"')}, "xApp/Db/x.proto", 5, '"ONLINE" is never found'),
    "no field": ({"proto": PROTO.replace('in "OK"', 'in "%(T:NONE.VAL)d"')}, "xApp/Db/x.db", 4, "nor is there a record 'T:NONE'"),
    "database syntax": ({"db": DB + 'record(ai "T:B") { }\n'}, "xApp/Db/x.db", 6, "expected ',', not 'T:B'\n    record(ai \"T:B\") { }\n              ^"),
    "open brace": ({"db": DB.rstrip().removesuffix("}")}, "xApp/Db/x.db", 4, "the file ends where more is to come"),
    "open quote": ({"st_cmd": ST_CMD + 'echo "it\n'}, "iocBoot/iocX/st.cmd", 7, 'a quote is not closed, and iocsh does not run this line\n    echo "it\n         ^'),
    "arguments": ({"st_cmd": ST_CMD + 'dbpf "T:SP"\n'}, "iocBoot/iocX/st.cmd", 7, "dbpf needs 2 arguments, and has 1"),
    "port target": ({"st_cmd": ST_CMD.replace("localhost:9999", "localhost")}, "iocBoot/iocX/st.cmd", 4, "'localhost' is not host:port"),
    "protocol syntax": ({"proto": PROTO.replace(":volt?", ':volt?\n')}, "xApp/Db/x.db", 1, "line 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_fault_is_found_with_file_and_line(case: str, tmp_path: Path) -> None:
    changed, file, line, words = CASES[case]
    hits = [finding for finding in found(tmp_path, **changed) if words in finding.message]
    assert hits, found(tmp_path, **changed)
    assert (hits[0].file, hits[0].line) == (file, line)


def test_substitutions_and_their_templates_are_followed(tmp_path: Path) -> None:
    (tmp_path / "xApp" / "Db").mkdir(parents=True)
    (tmp_path / "xApp/Db/x.substitutions").write_text('file "one.template" {\n pattern { N, PORT }\n { 1, \'PS1\' }\n { 2, "PS2" }\n}\n')
    (tmp_path / "xApp/Db/one.template").write_text('record(ai, "T:$(N)") { field(DTYP, "stream") field(INP, "@x.proto get $(PORT)") }\n')
    findings = found(tmp_path, st_cmd=ST_CMD + 'dbLoadTemplate("db/x.substitutions")\n')
    assert [finding.message for finding in findings] == ["record T:2.INP: there is no port 'PS2'; the start-up file makes PS1"]


def test_templates_may_be_substitutions_of_their_own_and_values_quoted(tmp_path: Path) -> None:
    inner = 'file x.db { pattern { P } { "$(Q)1:" } { "$(Q)2:" } }'
    outer = 'file inner.substitutions { { Q = "T:" } }'
    for name, text in (("inner.substitutions", inner), ("outer.template", outer)):
        (tmp_path / "xApp" / "Db").mkdir(parents=True, exist_ok=True)
        (tmp_path / "xApp" / "Db" / name).write_text(text)
    start = ST_CMD.replace('dbLoadRecords("db/x.db", "P=T:,PORT=PS1")', 'dbLoadTemplate("db/outer.template", "PORT=PS1")')
    db = DB.replace('field(DTYP, "stream") field(INP', 'field(EGU, "$(EGU="")") field(DTYP, "stream") field(INP')

    assert found(tmp_path, st_cmd=start, db=db) == []
    assert [finding.message for finding in found(tmp_path, st_cmd=start, db=db.replace('"$(EGU="")"', "$(EGU)"))] == [
        "macro EGU has no value"
    ]


def test_substitutions_that_lead_to_themselves_are_told(tmp_path: Path) -> None:
    (tmp_path / "xApp" / "Db").mkdir(parents=True)
    (tmp_path / "xApp" / "Db" / "a.substitutions").write_text("file a.substitutions { { P = 1 } }")
    start = ST_CMD.replace('dbLoadRecords("db/x.db", "P=T:,PORT=PS1")', 'dbLoadTemplate("db/a.substitutions")')

    assert "it expands itself" in [finding.message for finding in found(tmp_path, st_cmd=start)]
