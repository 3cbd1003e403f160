from dataclasses import replace

import numpy as np
import pytest

from testbeam.clients.records import Record, encode, matcher
from testbeam.errors import WireError
from testbeam.model.samples import Alarm, ConnectionChange, ConnectionState, LogValue, Severity
from testbeam.wire.flatbuffers import registry


def a_record(value: object = None, payload: bytes = b"") -> Record:
    return Record(topic="t", partition=0, offset=7, timestamp_ms=1000, key=None, payload=payload, value=value)


def log(value: object, source: str = "VOLT") -> Record:
    return a_record(LogValue(source_name=source, value=np.asarray(value), timestamp_ns=1))


def alarm(severity: Severity) -> Record:
    return a_record(Alarm(source_name="VOLT", timestamp_ns=1, severity=severity, message=""))


def test_a_number_is_looked_for_among_log_values_only() -> None:
    is_it = matcher(None, 2, None)

    assert is_it(log(2))
    assert is_it(log(2.0))
    assert not is_it(log(3))
    assert not is_it(log([2, 2]))
    assert not is_it(alarm(Severity.MAJOR))  # which is the number 2, too


def test_an_array_is_looked_for_as_a_whole() -> None:
    assert matcher(None, [1, 2], None)(log([1, 2]))
    assert not matcher(None, [1, 2], None)(log([1, 2, 3]))
    assert not matcher(None, [1, 2], None)(log(1))


def test_a_number_may_be_near_enough() -> None:
    assert matcher(None, pytest.approx(0.3), None)(log(0.1 + 0.2))


def test_severity_and_connection_state_are_looked_for_in_their_own_schemas() -> None:
    change = a_record(ConnectionChange(source_name="VOLT", timestamp_ns=1, state=ConnectionState.CONNECTED, service_id="f"))

    assert matcher("VOLT", Severity.MAJOR, None)(alarm(Severity.MAJOR))
    assert not matcher("VOLT", Severity.MINOR, None)(alarm(Severity.MAJOR))
    assert matcher("VOLT", ConnectionState.CONNECTED, None)(change)
    assert not matcher("VOLT", Severity.MAJOR, None)(change)


def test_source_payload_and_any_condition_narrow_the_search() -> None:
    assert not matcher("CURR", None, None)(log(1))
    assert matcher(None, b"abc", None)(a_record(payload=b"abc"))
    assert matcher(None, None, lambda record: record.offset == 7)(log(1))
    assert not matcher("VOLT", 1, lambda record: record.offset == 8)(log(1))
    assert matcher(None, None, None)(a_record())


def test_a_value_of_the_model_is_sent_in_its_schema() -> None:
    payload = encode(LogValue(source_name="VOLT", value=np.float64(1.5), timestamp_ns=7))

    assert registry.schema_id(payload) == "f144"
    assert registry.decode(payload).value == 1.5
    assert encode("text") == b"text"
    assert encode(b"bytes") == b"bytes"


def test_what_no_schema_holds_is_refused_with_what_could_be_sent() -> None:
    with pytest.raises(WireError, match=r"float.*LogValue"):
        encode(1.5)


def test_a_record_says_what_it_holds_and_where_it_lies() -> None:
    assert "VOLT" in str(log(42))
    assert "offset 7" in str(log(42))
    assert "too short" in str(replace(a_record(payload=b"x"), problem="too short"))
