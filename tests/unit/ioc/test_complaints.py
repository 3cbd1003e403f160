from pathlib import Path

import pytest

from testbeam.services.ioc.complaints import find

# What EPICS base 7.0.10 printed for files with one fault each, colours and all.
FIELD = """\x1b[31;1mERROR\x1b[0m: ai record 'T:A' doesn't have a field 'NOPE'
    Did you mean "HOPR"?  (High Operating Range)
\x1b[31;1mERROR\x1b[0m:  at or before ')' in path "."  file "bad.db" line 3

 3 |  field(NOPE, "1.5")

\x1b[31;1mERROR\x1b[0m: Failed to load 'bad.db'
"""
TYPE = """\x1b[31;1mERROR\x1b[0m: Record type 'nosuch' for record 'T:A' not found
\x1b[31;1mERROR\x1b[0m:  at or before ')' in path "."  file "bad.db" line 1

 1 | record(nosuch, "T:A") { field(VAL, "1.5") }

\x1b[31;1mERROR\x1b[0m: (null) record '(null)' doesn't have a field 'VAL'
\x1b[31;1mERROR\x1b[0m: Failed to load 'bad.db'
"""
SYNTAX = """\x1b[31;1mERROR\x1b[0m: syntax error
 at or before '"1.5"' in path "."  file "bad.db" line 3

\x1b[35;1mWARNING\x1b[0m: dbReadCOM: Parser stack dirty w/o error. 1
\x1b[31;1mERROR\x1b[0m: Failed to load 'bad.db'
"""
INCLUDED = """\x1b[31;1mERROR\x1b[0m: Can't open include file 'nofile.db'
\x1b[31;1mERROR\x1b[0m:  at or before '"nofile.db"' in path "."  file "included.db" line 7
"""
MACRO = """macLib: macro Q is undefined (expanding string record(ai, "$(P)A$(Q)") {
)
\x1b[35;1mWARNING\x1b[0m: 'bad.db' line 4 has undefined macros
\x1b[31;1mERROR\x1b[0m: Bad character '$' in Record/Alias name "T:A$(Q,undefined)"
\x1b[31;1mERROR\x1b[0m:  at or before ')' in path "."  file "bad.db" line 4
"""


@pytest.mark.parametrize(
    ("output", "start"),
    [
        (FIELD, "bad.db, line 3: ai record 'T:A' doesn't have a field 'NOPE'; did you mean \"HOPR\"?"),
        (TYPE, "bad.db, line 1: Record type 'nosuch' for record 'T:A' not found"),
        (SYNTAX, "bad.db, line 3: syntax error"),
        (INCLUDED, "included.db, line 7: Can't open include file 'nofile.db'"),
        (MACRO, "bad.db, line 4: macro Q has no value; give --macro Q=VALUE"),
        ("ERROR: Can't open file 'x.db'\n", "bad.db: Can't open file 'x.db'"),
    ],
)
def test_the_first_fault_is_told_in_one_line_with_its_place(output: str, start: str) -> None:
    told = str(find(output, Path("bad.db")))

    assert told.startswith(start)
    assert "\n" not in told


@pytest.mark.parametrize(
    "output", ["", "INFO: PVXS QSRV2 is loaded, permitted, and ENABLED.\n", "\x1b[35;1mWARNING\x1b[0m: something mild\n"]
)
def test_output_without_a_fault_is_no_complaint(output: str) -> None:
    assert find(output, Path("good.db")) is None
