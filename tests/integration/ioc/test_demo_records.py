from collections.abc import Sequence

import pytest

from testbeam.clients.pvs import PvProtocol
from testbeam.errors import PvMissing, TransportError, WaitTimeout
from testbeam.model.samples import Severity
from testbeam.stacks.roles.ioc.declaration import IocHandle
from testbeam.transport.ca.client import CaClient
from testbeam.wire.pv_reading import Scalar

BOTH = pytest.mark.parametrize("protocol", ["pva", "ca"])


@BOTH
def test_a_readback_follows_its_set_point(demo: IocHandle, protocol: PvProtocol) -> None:
    for value in (0.5, 42.0):
        demo.pv("T:VOLT", protocol).put(value)
        assert demo.pv("T:VOLT-RB", protocol).expect(value).units == "V"


@BOTH
def test_a_set_point_stays_within_its_drive_limits(demo: IocHandle, protocol: PvProtocol) -> None:
    volt = demo.pv("T:VOLT", protocol)
    volt.put(500)
    assert volt.get() == 100.0
    volt.put(-500)
    assert volt.get() == 0.0


@BOTH
@pytest.mark.parametrize(
    ("value", "severity", "status"),
    [
        (293.15, Severity.OK, "NO_ALARM"),
        (360.0, Severity.MINOR, "HIGH"),
        (450.0, Severity.MAJOR, "HIHI"),
        (80.0, Severity.MINOR, "LOW"),
        (4.2, Severity.MAJOR, "LOLO"),
    ],
)
def test_a_value_beyond_its_limits_is_in_alarm(
    demo: IocHandle, protocol: PvProtocol, value: float, severity: Severity, status: str
) -> None:
    temperature = demo.pv("T:TEMP", protocol)
    temperature.put(value)

    assert temperature.expect(value, severity=severity).status == status
    assert temperature.alarm is severity


@BOTH
def test_an_enum_is_set_and_read_by_choice_and_by_index(demo: IocHandle, protocol: PvProtocol) -> None:
    mode, readback = demo.pv("T:MODE", protocol), demo.pv("T:MODE-RB", protocol)
    mode.put("CC")
    assert (readback.value, readback.text) == (1, "CC")
    assert readback.read().choices == ("CV", "CC", "FAULT")

    mode.put(2)
    assert readback.expect("FAULT").severity == Severity.MAJOR
    mode.put("CV")
    assert readback.expect(0).text == "CV"


@BOTH
def test_a_string_keeps_its_39_bytes(demo: IocHandle, protocol: PvProtocol) -> None:
    sample = demo.pv("T:SAMPLE", protocol)
    sample.put("D2O in quartz, 1 mm, 20 °C, batch 7 of")

    assert sample.get() == "D2O in quartz, 1 mm, 20 °C, batch 7 of"


@BOTH
@pytest.mark.parametrize("elements", [[1.5, -2.5], [], [float(i) for i in range(1000)]])
def test_a_waveform_has_as_many_elements_as_were_put(demo: IocHandle, protocol: PvProtocol, elements: Sequence[Scalar]) -> None:
    spectrum = demo.pv("T:SPECTRUM", protocol)
    spectrum.put(elements)

    assert spectrum.get() == elements


@BOTH
def test_an_array_of_characters_holds_text(demo: IocHandle, protocol: PvProtocol) -> None:
    comment = demo.pv("T:COMMENT", protocol)
    comment.put("é: longer than any string of Channel Access could ever be")

    assert comment.text == "é: longer than any string of Channel Access could ever be"
    assert comment.expect("é: longer than any string of Channel Access could ever be")


@BOTH
def test_a_whole_number_that_the_record_would_wrap_is_refused(demo: IocHandle, protocol: PvProtocol) -> None:
    cycles = demo.pv("T:CYCLES", protocol)
    cycles.put(2**31 - 1)

    with pytest.raises(TransportError, match=r"T:CYCLES.*holds whole numbers from -2147483648 to 2147483647, 2147483648 was given"):
        cycles.put(2**31)
    assert cycles.get() == 2**31 - 1


def test_more_elements_than_the_record_holds_are_refused(demo: IocHandle) -> None:
    with pytest.raises(TransportError, match="holds 1000 elements, 1001 were given"):
        demo.pv("T:SPECTRUM", "ca").put([0.0] * 1001)


@BOTH
@pytest.mark.parametrize(("pv", "value"), [("T:VOLT", "much"), ("T:MODE", "CZ")])
def test_text_that_is_no_value_of_the_record_is_refused(demo: IocHandle, protocol: PvProtocol, pv: str, value: str) -> None:
    with pytest.raises(TransportError, match=pv):
        demo.pv(pv, protocol).put(value)


@BOTH
def test_a_misspelt_name_fails_at_once_and_names_its_neighbours(demo: IocHandle, protocol: PvProtocol) -> None:
    with pytest.raises(PvMissing, match=r"'T:VOLD' is not on .*127\..*did you mean T:VOLT"):
        demo.pv("T:VOLD", protocol).get(within_s=30)


@BOTH
def test_what_does_not_come_true_is_told_with_what_was_seen(demo: IocHandle, protocol: PvProtocol) -> None:
    demo.pv("T:VOLT", protocol).put(7)

    with pytest.raises(WaitTimeout, match=r"T:VOLT-RB.*did not become 8 within 0\.2 s; last seen at 7\.0 V"):
        demo.pv("T:VOLT-RB", protocol).expect(8, within_s=0.2)


@BOTH
def test_a_field_of_a_record_is_a_pv(demo: IocHandle, protocol: PvProtocol) -> None:
    assert demo.pv("T:VOLT.EGU", protocol).get() == "V"


@BOTH
def test_the_counting_record_counts_without_a_gap_ten_times_a_second(demo: IocHandle, protocol: PvProtocol) -> None:
    counts = [float(reading.text) for reading in demo.pv("T:COUNT", protocol).updates(within_s=3)]

    assert counts == [counts[0] + i for i in range(len(counts))]
    assert 25 <= len(counts) <= 32


def test_a_channel_knows_precision_and_limits(demo: IocHandle) -> None:
    with CaClient(demo.address) as client:
        properties = client.channel("T:TEMP").properties()

    assert properties.precision == 2
    assert properties.limits is not None
    assert properties.limits.alarm == (50.0, 400.0)
    assert properties.limits.warning == (100.0, 350.0)
    assert properties.limits.control == (0.0, 1000.0)


def test_many_channels_share_one_connection(demo: IocHandle) -> None:
    with CaClient(demo.address) as client:
        channels = [client.channel(name) for name in demo.records]
        readings = [channel.get() for channel in channels]

    assert len(readings) == len(demo.records) == 12
    assert all(reading.timestamp_ns > 0 for reading in readings)


def test_the_ioc_announces_its_records(demo: IocHandle) -> None:
    assert {"T:VOLT", "T:VOLT-RB", "T:COUNT", "T:MODE"} <= set(demo.records)
