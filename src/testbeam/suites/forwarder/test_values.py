"""Values, alarms, connections and units, by every protocol."""

from typing import Any

import numpy as np
import pytest

from testbeam.model.samples import AlarmedLogValue, ConnectionState, LogValue, Severity, TimeSeries, UnitsChange
from testbeam.model.time import NS_PER_MS
from testbeam.suites.forwarder.chain import PREFIX, WITHIN_S, Chain, alarms, connections, stream, values, wait_for

real = pytest.mark.parametrize("protocol", ["ca", "pva"])


def first_value(chain: Chain, record: str, protocol: str, schema: str = "f144") -> Any:
    topic = chain.topic()
    chain.client.add(stream(record, topic, protocol, schema))
    return wait_for(lambda: values(topic), f"the value of {record} over {protocol}")[0]


@real
@pytest.mark.parametrize(
    ("record", "dtypes", "value"),
    [
        ("DOUBLE", ("f8",), 1.5),
        ("LONG", ("i4", "i8"), -70000),
        ("ENUM", ("i4", "u2", "i2", "i8"), 1),
        ("DOUBLES", ("f8",), [0.5, 1.5, 2.5]),
        ("SHORTS", ("i2", "i4"), [-1, 7]),
    ],
)
def test_a_number_keeps_its_type(chain: Chain, protocol: str, record: str, dtypes: tuple[str, ...], value: Any) -> None:
    sent = first_value(chain, record, protocol)

    assert isinstance(sent.value, LogValue)
    assert np.asarray(sent.value.value).tolist() == value
    assert np.asarray(sent.value.value).dtype in [np.dtype(one) for one in dtypes]


@real
def test_an_array_of_one_element_stays_an_array(chain: Chain, protocol: str) -> None:
    assert np.asarray(first_value(chain, "ONE", protocol).value.value).tolist() == [3]


@real
def test_text_goes_out_in_f142_with_the_alarm(chain: Chain, protocol: str) -> None:
    sent = first_value(chain, "TEXT", protocol, schema="f142").value

    assert isinstance(sent, AlarmedLogValue)
    assert (sent.value, sent.severity) == ("vanadium", Severity.OK)


@real
def test_key_and_times_are_those_of_the_pv(chain: Chain, protocol: str) -> None:
    sent = first_value(chain, "DOUBLE", protocol)

    assert sent.key == f"{PREFIX}DOUBLE".encode()
    assert sent.timestamp_ms == sent.value.timestamp_ns // NS_PER_MS
    assert sent.value.timestamp_ns == chain.pv("DOUBLE").read().timestamp_ns


@real
def test_changes_come_in_their_order(chain: Chain, protocol: str) -> None:
    topic = chain.topic()
    chain.add(stream("LONG", topic, protocol))
    wait_for(lambda: values(topic), "the first value")
    for number in range(10):
        chain.pv("LONG").put(number)
    chain.pv("LONG").put(-70000)

    wait_for(lambda: len(values(topic)) >= 12, "all values")
    assert [int(one.value.value) for one in values(topic)] == [-70000, *range(10), -70000]


@real
def test_an_alarm_is_told_when_it_changes_and_only_then(chain: Chain, protocol: str) -> None:
    topic = chain.topic()
    chain.add(stream("ALARMED", topic, protocol))
    wait_for(lambda: alarms(topic), "the first alarm")
    for value in (10.0, 85.0, 86.0, 10.0):
        chain.pv("ALARMED").put(value)
    topic.expect(source=f"{PREFIX}ALARMED", value=10.0, since=None, within_s=WITHIN_S)

    wait_for(lambda: [one.severity for one in alarms(topic)][-2:] == [Severity.MINOR, Severity.OK], "the alarm and its end")
    severities = [one.severity for one in alarms(topic)]
    assert len(severities) <= 4
    if protocol == "ca":
        assert alarms(topic)[-2].message == "HIGH"


@real
def test_a_connection_is_told_with_the_first_value(chain: Chain, protocol: str) -> None:
    topic = chain.topic()
    chain.add(stream("DOUBLE", topic, protocol))

    wait_for(lambda: connections(topic), "the connection")
    assert connections(topic) == [ConnectionState.CONNECTED]


@real
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_numbers_that_are_none_are_sent_as_they_are(chain: Chain, protocol: str, value: float) -> None:
    topic = chain.topic()
    chain.pv("FLOAT").put(value)
    chain.add(stream("FLOAT", topic, protocol))

    sent = wait_for(lambda: values(topic), "the value")[-1]
    assert np.array_equal(float(sent.value.value), value, equal_nan=True)


@real
def test_an_array_of_a_megabyte_arrives_whole(chain: Chain, protocol: str) -> None:
    topic = chain.topic()
    chain.add(stream("DOUBLES", topic, protocol))
    wait_for(lambda: values(topic), "the first value")
    chain.pv("DOUBLES").put([float(n) for n in range(150_000)])
    large = wait_for(lambda: [one for one in values(topic) if np.size(one.value.value) == 150_000], "the large array")
    chain.pv("DOUBLES").put([0.5, 1.5, 2.5])

    assert np.array_equal(large[0].value.value, np.arange(150_000.0))


@real
def test_times_go_out_in_tdct(chain: Chain, protocol: str) -> None:
    topic = chain.topic()
    chain.add(stream("TIMES", topic, protocol, schema="tdct"))

    found = wait_for(lambda: [one.value for one in topic.messages() if isinstance(one.value, TimeSeries)], "the times")
    at_ns = chain.pv("TIMES").read().timestamp_ns
    assert (found[0].timestamps_ns.tolist(), found[0].sequence_counter) == ([at_ns + 1000, at_ns + 2000], 0)


@real
def test_a_unit_goes_out_in_un00_and_again_when_it_changes(chain: Chain, protocol: str) -> None:
    topic = chain.topic()
    chain.client.add(stream("DOUBLE", topic, protocol, schema="un00"))

    def units() -> list[str | None]:
        return [one.value.units for one in topic.messages() if isinstance(one.value, UnitsChange)]

    wait_for(units, "the unit")
    chain.pv("DOUBLE.EGU").put("K")
    wait_for(lambda: units()[-1:] == ["K"], "the new unit")
    chain.pv("DOUBLE.EGU").put("mm")
    assert units()[:2] == ["mm", "K"]


def test_fake_pvs_send_values_without_an_ioc(chain: Chain) -> None:
    topic = chain.topic()
    chain.client.add(stream("NO:IOC", topic, "fake"))

    found = wait_for(lambda: len(values(topic)) >= 2 and values(topic), "two values")
    assert all(np.isfinite(float(one.value.value)) for one in found)


def test_what_a_schema_can_not_carry_holds_up_no_other_stream(chain: Chain) -> None:
    topic = chain.topic()
    chain.client.add(stream("TEXT", topic), stream("DOUBLE", topic))

    wait_for(lambda: values(topic, f"{PREFIX}DOUBLE"), "the other's value")
    assert values(topic, f"{PREFIX}TEXT") == []
