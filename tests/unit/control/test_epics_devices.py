"""Devices behind PVs: never done before they are there, and failures with place and target."""

from typing import Any

import pytest

from testbeam.errors import DeviceError, LimitError
from testbeam.services.control.commands.user import UserCommands
from testbeam.services.control.devices.status import State
from testbeam.services.control.devices.waiting import wait_for
from tests.unit.control.holding import FakeSession, session_of, setup

PVA = "nicos_ess.devices.epics.pva.epics_devices"


def analog(**more: Any) -> FakeSession:
    session = session_of({"m": (f"{PVA}.EpicsAnalogMoveable", {"readpv": "M.RBV", "writepv": "M", "precision": 0.01} | more)})
    session.fake.set("M", 0.0)
    session.fake.set("M.RBV", 0.0)
    session.fake.limits["M"] = (-10.0, 10.0)
    session.load(["one"])
    return session


RECORD = {
    "RBV": 0.0,
    "VAL": 0.0,
    "DMOV": 1,
    "LLM": -10.0,
    "HLM": 10.0,
    "HLS": 0,
    "LLS": 0,
    "MISS": 0,
    "STOP": 0,
    "VELO": 1.0,
}


def motor(*names: str, **more: Any) -> FakeSession:
    names = names or ("m",)
    kind = "nicos_ess.devices.epics.pva.motor.EpicsMotor"
    session = session_of({name: (kind, {"motorpv": name.upper(), "precision": 0.01} | more) for name in names})
    for name in names:
        for field, value in RECORD.items():
            session.fake.set(f"{name.upper()}.{field}", value)
    session.load(["one"])
    return session


def test_a_moveable_is_busy_until_its_readback_is_there() -> None:
    session = analog()
    device: Any = session.devices["m"]
    device.start(5)

    assert device.status(0)[0] == State.BUSY
    session.fake.set("M.RBV", 4.0)
    assert device.status(0)[0] == State.BUSY
    session.fake.set("M.RBV", 5.005)
    assert device.status(0)[0] == State.OK


def test_the_cache_says_busy_from_the_moment_that_start_returns() -> None:
    session = analog()
    device: Any = session.devices["m"]
    device.start(5)

    assert device.status(60)[0] == State.BUSY


@pytest.mark.parametrize("target", [11, -10.5, 1e9])
def test_a_target_outside_the_records_limits_is_refused(target: float) -> None:
    session = analog()

    with pytest.raises(LimitError, match="-10 to 10"):
        session.devices["m"].start(target)
    assert not session.fake.puts


def test_limits_that_change_while_it_runs_count() -> None:
    session = analog()
    session.fake.limits["M"] = (-1.0, 1.0)

    with pytest.raises(LimitError):
        session.devices["m"].start(5)


def test_equal_zeros_are_no_limits() -> None:
    session = analog()
    session.fake.limits["M"] = (0.0, 0.0)
    session.devices["m"].start(5000)

    assert session.fake.puts == [("M", 5000.0)]


@pytest.mark.parametrize("target", ["five", None, float("nan"), [1]])
def test_what_is_no_number_is_refused(target: Any) -> None:
    with pytest.raises(DeviceError):
        analog().devices["m"].start(target)


def test_a_set_point_changed_by_somebody_else_is_told() -> None:
    session = analog()
    device: Any = session.devices["m"]
    device.start(5)
    device.status(0)
    session.fake.set("M", -3.0)
    session.fake.set("M.RBV", -3.0)

    with pytest.raises(DeviceError, match=r"5\.000.*-3\.000"):
        device.is_completed()


def test_a_lost_pv_is_an_error_that_names_it() -> None:
    session = analog()
    session.fake.away.add("M.RBV")
    device: Any = session.devices["m"]

    assert device.status(0) == (State.ERROR, "PV M.RBV is disconnected")
    with pytest.raises(DeviceError, match=r"M\.RBV"):
        device.read(0)


def test_alarms_are_in_the_status() -> None:
    session = analog()
    session.fake.set("M.RBV", 0.0, severity=1, status="HIGH")
    assert session.devices["m"].status(0) == (State.WARN, "M.RBV: HIGH")

    session.fake.set("M.RBV", 0.0, severity=2, status="HIHI")
    assert session.devices["m"].status(0)[0] == State.ERROR


def test_a_precision_of_none_is_that_of_the_record() -> None:
    session = analog(precision=0.0)
    session.fake.precisions["M.RBV"] = 2
    device: Any = session.devices["m"]
    device.start(5)
    session.fake.set("M.RBV", 5.004)

    assert device.status(0)[0] == State.OK


def test_a_motion_that_takes_too_long_fails_with_place_and_target() -> None:
    session = analog(timeout=10)
    device: Any = session.devices["m"]
    device.start(5)
    session.time_s += 11

    with pytest.raises(DeviceError, match="after 10 s"):
        device.is_completed()


def test_a_stop_makes_the_place_of_now_the_set_point() -> None:
    session = analog()
    device: Any = session.devices["m"]
    device.start(5)
    session.fake.set("M.RBV", 2.0)
    device.stop()

    assert session.fake.puts[-1] == ("M", 2.0)
    assert device.status(0)[0] == State.OK


@pytest.mark.parametrize("late_s", [0.0, 0.05, 0.3])
def test_a_motor_that_shows_its_motion_late_is_not_done_before(late_s: float) -> None:
    session = motor()
    device: Any = session.devices["m"]
    done_seen_at: list[float] = []
    device.start(5)
    begun_s = session.time_s

    def tick(now_s: float) -> None:
        passed_s = now_s - begun_s
        moving = late_s <= passed_s < late_s + 0.5
        session.fake.readings["M.RBV"] = session.fake.readings["M.RBV"].__class__(value=min(max(passed_s - late_s, 0) * 10, 5.0))
        if bool(session.fake.readings["M.DMOV"].value) == moving:
            session.fake.set("M.DMOV", int(not moving))

    session.on_tick, session.tick_s = tick, 0.01
    while not device.is_completed():
        pass
    done_seen_at.append(session.time_s - begun_s)

    assert device.do_read() == pytest.approx(5, abs=0.01)
    assert done_seen_at[0] >= late_s + 0.49


def test_a_motion_too_short_to_be_seen_ends() -> None:
    session = motor()
    device: Any = session.devices["m"]
    session.fake.on_put = lambda name, value: session.fake.set("M.RBV", value) if name == "M.VAL" else None
    device.start(5)

    assert device.is_completed()


def test_a_motor_that_is_where_it_is_sent_does_nothing() -> None:
    session = motor()
    session.devices["m"].start(0.005)

    assert not session.fake.puts
    assert session.devices["m"].is_completed()


@pytest.mark.parametrize(
    ("fields", "why"),
    [({}, "stopped on its way"), ({"HLS": 1}, "upper limit switch"), ({"LLS": 1}, "lower limit"), ({"MISS": 1}, "following error")],
)
def test_a_motor_that_stands_elsewhere_did_not_arrive(fields: dict[str, int], why: str) -> None:
    session = motor()
    device: Any = session.devices["m"]
    device.start(5)
    session.fake.set("M.DMOV", 0)
    session.fake.set("M.RBV", 2.0)
    for field, value in fields.items():
        session.fake.set(f"M.{field}", value)
    session.fake.set("M.DMOV", 1)
    assert not device.is_completed()  # the flag may be that of before

    session.time_s += 1.1
    with pytest.raises(DeviceError, match=why):
        device.is_completed()


def test_a_motor_that_never_starts_is_not_waited_for_without_end() -> None:
    session = motor(startdelay=1.0)
    device: Any = session.devices["m"]
    device.start(5)
    assert not device.is_completed()

    session.time_s += 1.1
    with pytest.raises(DeviceError):
        device.is_completed()


def test_a_late_update_of_the_motion_before_is_not_taken_for_that_of_this_one() -> None:
    session = motor()
    device: Any = session.devices["m"]
    device.start(5)
    session.fake.set("M.DMOV", 0)
    session.fake.set("M.DMOV", 1)

    assert not device.is_completed()
    session.time_s += 0.3
    session.fake.set("M.DMOV", 0)
    assert not device.is_completed()
    session.fake.set("M.RBV", 5.0)
    session.fake.set("M.DMOV", 1)
    assert device.is_completed()


def test_an_offset_is_taken_off_and_put_on() -> None:
    session = motor(offset=1.0)
    device: Any = session.devices["m"]
    device.start(5)

    assert session.fake.puts == [("M.VAL", 6.0)]
    session.fake.set("M.RBV", 6.0)
    assert device.do_read() == 5.0


def test_a_poller_does_not_wait_for_a_pv_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeSession({"one": setup("one", {"r": (f"{PVA}.EpicsReadable", {"readpv": "R"})})}, writes=False)
    session.load(["one"])
    asked: list[str] = []
    monkeypatch.setattr(session.fake, "get", lambda name, _within_s: asked.append(name))

    with pytest.raises(DeviceError, match="R is not connected"):
        session.devices["r"].poll()
    assert not asked


def test_several_that_fail_are_all_named() -> None:
    config = {"readpv": "{}.RBV", "writepv": "{}", "timeout": 1}
    session = session_of(
        {
            name: (
                f"{PVA}.EpicsAnalogMoveable",
                {word: str(value).format(name) if isinstance(value, str) else value for word, value in config.items()},
            )
            for name in "ab"
        }
    )
    for name in "ab":
        session.fake.set(name, 0.0)
        session.fake.set(f"{name}.RBV", 0.0)
    session.load(["one"])
    devices: Any = list(session.devices.values())
    for device in devices:
        device.start(1)
    session.time_s += 2

    with pytest.raises(DeviceError, match=r"a is at.*b is at"):
        wait_for(session, devices)


def test_a_choice_goes_by_name_and_refuses_others() -> None:
    session = session_of({"s": (f"{PVA}.EpicsMappedMoveable", {"readpv": "S", "writepv": "S"})})
    session.fake.set("S", 0, choices=("Closed", "Open"))
    session.fake.on_put = lambda name, value: session.fake.set(name, ("Closed", "Open").index(value), choices=("Closed", "Open"))
    session.load(["one"])
    device: Any = session.devices["s"]
    device.start("Open")

    assert device.read(0) == "Open"
    assert device.is_completed()
    with pytest.raises(LimitError, match="Closed, Open"):
        device.start("Ajar")


def test_a_mapping_goes_by_the_setups_names() -> None:
    session = session_of({"s": (f"{PVA}.EpicsMappedMoveable", {"readpv": "S", "writepv": "S", "mapping": {"in": 1, "out": 0}})})
    session.fake.set("S", 0)
    session.load(["one"])
    device: Any = session.devices["s"]
    device.start("in")

    assert session.fake.puts == [("S", 1)]
    assert device.read(0) == "in"


def test_eight_motors_that_are_started_at_once_and_begin_late_all_arrive() -> None:
    names = [f"m{number}" for number in range(8)]
    session = motor(*names, timeout=6)
    commands = UserCommands(session, None)
    begun_s = session.time_s

    def tick(now_s: float) -> None:
        for number, name in enumerate(names):
            passed_s = now_s - begun_s - 0.3 * number  # each begins 0.3 s after the one before, and takes 2 s
            moving = 0 <= passed_s < 2
            for field, value in {"RBV": min(max(passed_s, 0) * 2.5, 5.0), "DMOV": int(not moving)}.items():
                pv = f"{name.upper()}.{field}"
                if session.fake.readings[pv].value != value:
                    session.fake.set(pv, value)

    session.on_tick, session.tick_s = tick, 0.01
    commands.maw(*(word for name in names for word in (name, 5)))

    assert [session.devices[name].do_read() for name in names] == [pytest.approx(5, abs=0.02)] * 8


def test_an_arrival_that_no_event_tells_is_found_by_looking() -> None:
    session = analog()
    device: Any = session.devices["m"]
    device.start(5)
    session.fake.readings["M.RBV"] = session.fake.readings["M.RBV"].__class__(value=5.0)  # nobody is called

    wait_for(session, [device])
    assert device.status(0)[0] == State.OK


def test_user_limits_beyond_the_absolute_ones_are_clipped_with_a_warning() -> None:
    session = analog(abslimits=(-5, 5), userlimits=(-8, 3))

    assert session.devices["m"].userlimits == (-5, 3)
    assert "clipped" in session.told.text
