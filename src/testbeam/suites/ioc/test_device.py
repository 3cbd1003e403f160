"""Set, read back, regular expressions, checksums, arrays, and what is wrong with a device, each as value and alarm of a PV."""

from collections.abc import Callable

import pytest

from testbeam.clients.pvs import PvHandle

Pv = Callable[[str], PvHandle]


def test_what_is_set_is_read_back(pv: Pv) -> None:
    for volts in (42.0, 0.0, 13.25):
        pv("VOLT").put(volts)
        pv("VOLT-RB").expect(volts, severity=0)


def test_an_enum_goes_out_as_its_string_and_comes_back(pv: Pv) -> None:
    for index, mode in enumerate(("CV", "CC")):
        pv("MODE").put(mode)
        reading = pv("MODE-RB").expect(index)
        assert reading.text == mode


def test_a_switch_takes_its_names(pv: Pv) -> None:
    pv("ON").put("OFF")
    pv("ON").put("ON")
    assert pv("ON").read().severity == 0


@pytest.mark.parametrize(("name", "text"), [("NAME", "psu-simulator"), ("VERSION", "0.1.0")])
def test_a_regular_expression_takes_its_part(pv: Pv, name: str, text: str) -> None:
    pv(f"{name}.PROC").put(1)
    pv(name).expect(text, severity=0)


def test_a_checksum_is_sent_and_checked(pv: Pv) -> None:
    pv("SUM").put("hello")
    pv("SUM").expect("hello", severity=0)


def test_an_array_is_split_at_its_separator(pv: Pv) -> None:
    pv("ARRAY.PROC").put(1)
    pv("ARRAY").expect([1.5, 2.5, 3.5])


def test_a_calcout_record_drives_the_device(pv: Pv) -> None:
    pv("A").put(3)
    pv("B").put(4)
    pv("SUM-OUT.PROC").put(1)
    pv("VOLT-RB").expect(7.0)


def test_no_answer_is_an_alarm_timeout(pv: Pv) -> None:
    pv("SILENT.PROC").put(1)
    assert pv("SILENT").expect(where=lambda reading: reading.severity == 3).status in ("TIMEOUT", "DRIVER")


def test_an_answer_that_does_not_match_is_an_alarm_calc(pv: Pv) -> None:
    pv("WRONG.PROC").put(1)
    pv("WRONG").expect(severity=3)
    pv("VOLT").put(5)
    pv("VOLT-RB").expect(5.0, severity=0)


def test_what_is_beyond_the_drive_limits_is_clipped(pv: Pv) -> None:
    pv("VOLT").put(1000)
    pv("VOLT-RB").expect(60.0)
    pv("VOLT").put(-5)
    pv("VOLT-RB").expect(0.0)


@pytest.mark.parametrize(("volts", "severity"), [(52, 1), (57, 2), (10, 0)])
def test_alarm_limits_give_their_severity(pv: Pv, volts: float, severity: int) -> None:
    pv("VOLT").put(volts)
    pv("VOLT-RB").expect(float(volts), severity=severity)
