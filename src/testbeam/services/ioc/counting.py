"""Any number of records that count, for proofs that no update was lost."""

_RECORD = """record(calc, "$(P=)COUNT-{number}") {{
    field(DESC, "Counts by one every 0.1 s from 0")
    field(SCAN, ".1 second")
    field(CALC, "VAL+1")
    field(VAL,  "-1")
    field(PINI, "YES")
}}
"""


def counting_records(number: int) -> str:
    """Return the database of `number` records `$(P)COUNT-0` …, each counting by one every 0.1 s from 0."""
    return "".join(_RECORD.format(number=index) for index in range(number))
