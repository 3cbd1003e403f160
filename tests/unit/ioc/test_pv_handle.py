from collections.abc import Iterator, Sequence

import pytest

from testbeam.clients.pvs import PvHandle, open_client
from testbeam.errors import PvMissing, SettingsError, TransportError, WaitTimeout
from testbeam.model.samples import Severity
from testbeam.wire.pv_reading import PvValue, Reading, Scalar

RECORDS = ("T:VOLT", "T:VOLT-RB", "T:TEMP")


class FakeIoc:
    """The seam of `PvClient` without an IOC: each PV goes through a given list of readings."""

    def __init__(self, **pvs: Sequence[Reading]) -> None:
        self.pvs = {name.replace("_", "-"): list(readings) for name, readings in pvs.items()}
        self.written: list[object] = []
        self.lost = 0

    def __str__(self) -> str:
        return "127.0.5.3:5064 (CA)"

    def get(self, name: str, _within_s: float) -> Reading:
        if name not in self.pvs:
            raise TransportError(f"no answer for {name}")
        return self.pvs[name][0]

    def put(self, name: str, value: PvValue | Sequence[Scalar], wait: bool, _within_s: float) -> None:
        self.written.append((name, value, wait))

    def updates(self, name: str, _within_s: float) -> Iterator[Reading]:
        if self.lost > 0:
            self.lost -= 1
            raise TransportError("the connection is lost")
        yield from self.pvs[name]

    def close(self) -> None:
        pass


def handle(name: str, ioc: FakeIoc, records: tuple[str, ...] = RECORDS) -> PvHandle:
    return PvHandle(name, ioc, lambda: records)


def test_value_text_and_alarm_are_those_of_now() -> None:
    pv = handle("MODE", FakeIoc(MODE=[Reading(value=1, choices=("CV", "CC"), severity=2)]))

    assert (pv.value, pv.text, pv.alarm) == (1, "CC", Severity.MAJOR)


def test_a_name_that_the_ioc_does_not_have_is_told_with_those_near_it() -> None:
    with pytest.raises(PvMissing, match=r"T:VOLD.*127\.0\.5\.3:5064.*did you mean T:VOLT"):
        handle("T:VOLD", FakeIoc()).get()


def test_a_field_of_a_record_is_known_by_the_record() -> None:
    with pytest.raises(TransportError, match=r"no answer for T:VOLT\.NOPE"):
        handle("T:VOLT.NOPE", FakeIoc()).get(within_s=0)


def test_without_a_list_of_records_silence_stays_silence() -> None:
    with pytest.raises(TransportError, match="no answer for T:VOLD"):
        handle("T:VOLD", FakeIoc(), records=()).get(within_s=0)


def test_expect_returns_the_first_reading_that_fits() -> None:
    pv = handle("VOLT", FakeIoc(VOLT=[Reading(value=1.0), Reading(value=2.0, severity=1), Reading(value=2.0)]))

    assert pv.expect(2.0).severity == 1
    assert pv.expect(2.0, severity=Severity.OK).severity == 0
    assert pv.expect(where=lambda reading: reading.value == 1.0).value == 1.0


def test_expect_says_what_it_saw_last() -> None:
    pv = handle("VOLT", FakeIoc(VOLT=[Reading(value=1.0), Reading(value=3.0, units="V", severity=2, status="HIHI")]))

    with pytest.raises(WaitTimeout, match=r"VOLT.*did not become 2.*last seen at 3\.0 V, alarm HIHI 2, in \d+ updates"):
        pv.expect(2, within_s=0)


def test_expect_makes_a_lost_connection_anew() -> None:
    ioc = FakeIoc(VOLT=[Reading(value=2.0)])
    ioc.lost = 2

    assert handle("VOLT", ioc).expect(2).value == 2.0


def test_a_put_is_passed_on() -> None:
    ioc = FakeIoc(VOLT=[Reading(value=1.0)])

    handle("VOLT", ioc).put(3, wait=False)

    assert ioc.written == [("VOLT", 3, False)]


def test_a_protocol_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsError, match='"pva" or "ca"'):
        open_client("127.0.5.3", "tango")  # type: ignore[arg-type]  # what the test is about
