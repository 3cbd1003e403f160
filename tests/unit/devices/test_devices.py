"""The simulated devices in virtual time, and what goes wrong on the way from them."""

import json
import random
from pathlib import Path

import pytest

from testbeam.errors import SettingsError
from testbeam.simulators.devices import Device, command
from testbeam.simulators.devices.catalog import DEVICES, device_class
from testbeam.simulators.devices.faults import Faults, spoiled


def asked(device: Device, *requests: str) -> list[bytes | None]:
    return [device.answer(request.encode()) for request in requests]


def test_the_power_supply_answers_as_its_contract_says() -> None:
    supply = device_class("power_supply")()
    idle = asked(supply, ":idn?", "outp:pon?", "outp:mode?", ":volt?", ":curr?")
    assert idle == [b"psu-simulator 0.1.0", b"ON", b"CV", b"0.0", b"0.0"]
    assert asked(supply, ":volt 42", ":volt?", "outp:pon off", "outp:pon?", "outp:pon x", "outp:mode XX") == [
        b"OK",
        b"42.0",
        b"OK",
        b"OFF",
        b"ERR",
        b"ERR",
    ]
    assert asked(supply, "nonsense", ":volt x", "", ":volt") == [None, None, None, None]


def test_it_ramps_measures_and_trips() -> None:
    supply = device_class("power_supply")(seed=1)
    supply.change("ramp", 2.0)
    supply.change("noise", 0.0)
    supply.answer(b":volt 10")
    supply.pass_time(2.0)
    assert supply.answer(b"meas:volt?") == b"4.0000"
    assert supply.answer(b"meas:curr?") == b"2.0000"
    supply.change("trip_current", 3.0)
    supply.pass_time(5.0)
    assert asked(supply, "outp:pon?", "meas:volt?") == [b"OFF", b"0.0000"]


def test_the_motor_moves_stops_at_limits_stalls_and_homes() -> None:
    motor = device_class("motor")()
    motor.answer(b"MOVE 10")
    motor.pass_time(1.0)
    assert asked(motor, "POS?", "STAT?") == [b"5.0000", b"1,0,0,0,0"]
    motor.pass_time(1.5)
    assert asked(motor, "POS?", "STAT?") == [b"10.0000", b"0,0,0,0,0"]
    motor.answer(b"MOVE 500")
    motor.pass_time(60)
    assert asked(motor, "POS?", "STAT?") == [b"100.0000", b"0,0,1,0,0"]
    motor.change("stuck", True)
    motor.answer(b"MOVE 0")
    motor.pass_time(0.1)
    assert motor.answer(b"STAT?") == b"0,0,1,0,1"
    asked(motor, "RESET", "HOME")
    motor.pass_time(60)
    assert asked(motor, "POS?", "STAT?") == [b"0.0000", b"0,0,0,1,0"]


def test_the_motor_loses_its_backlash_at_a_turn() -> None:
    motor = device_class("motor")()
    motor.change("backlash", 1.0)
    motor.answer(b"REL -2")
    motor.pass_time(0.4)
    assert motor.answer(b"POS?") == b"-1.0000"


def test_the_chopper_locks_brakes_and_parks() -> None:
    chopper = device_class("chopper")()
    asked(chopper, "SPEED 14", "PHASE 90", "START")
    assert chopper.answer(b"PARK 10") == b"ERR spinning"
    chopper.pass_time(1.0)
    assert asked(chopper, "SPEED?", "STATE?") == [b"7.000", b"accelerating"]
    chopper.pass_time(10.0)
    assert asked(chopper, "SPEED?", "STATE?", "LOCK?") == [b"14.000", b"locked", b"1"]
    chopper.answer(b"STOP")
    chopper.pass_time(10.0)
    assert asked(chopper, "STATE?", "PARK 10", "STATE?") == [b"stopped", b"OK", b"parked"]


def test_the_temperature_settles_and_a_broken_sensor_reads_nothing() -> None:
    controller = device_class("temperature_controller")()
    controller.change("noise", 0.0)
    asked(controller, "SETP 1,310")
    controller.pass_time(600)
    temperature = controller.answer(b"KRDG? A")
    assert temperature is not None
    assert abs(float(temperature) - 310) < 0.5
    controller.change("sensor_broken", True)
    assert controller.answer(b"KRDG? A") == b"+0.0000"


def test_frames_of_the_detector_are_seeded_and_show_the_spot() -> None:
    first, second = device_class("area_detector")(seed=3), device_class("area_detector")(seed=3)
    for detector in (first, second):
        detector.answer(b"ACQ 2")
        detector.pass_time(1.0)
    assert asked(first, "COUNT?", "STATE?", "SIZE?") == [b"2", b"idle", b"32,24"]
    frame = first.answer(b"FRAME?")
    assert frame is not None
    assert frame == second.answer(b"FRAME?")
    assert frame.startswith(b"#41536")
    statistics = first.answer(b"STAT?")
    assert statistics is not None
    *_, x, y = statistics.decode().split(",")
    assert abs(int(x) - 16) <= 4
    assert abs(int(y) - 12) <= 4


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("request_bytes", [b"", b"\xff\x00", b"SETP 1,nan", b"MOVE inf", b":volt 1e400", b"EXP nan", b"x" * 5000])
def test_no_request_does_harm(name: str, request_bytes: bytes) -> None:
    device = device_class(name)()
    device.answer(request_bytes)
    device.pass_time(0.2)
    assert device.state()


def test_one_s_own_device_is_twenty_lines(tmp_path: Path) -> None:
    file = tmp_path / "thermometer.py"
    file.write_text(
        """
from testbeam.simulators.devices import Device, command

class Thermometer(Device):
    terminator = "\\r\\n"
    temperature = 20.0

    @command(r"T\\?")
    def read(self):
        return f"{self.temperature:.1f}"

    @command(r"T (\\S+)")
    def write(self, value: float):
        self.temperature = value
        return "OK"
"""
    )
    device = device_class(str(file))(seed=1)
    assert asked(device, "T?", "T 25.5", "T?", "T x") == [b"20.0", b"OK", b"25.5", None]
    assert device.state()["temperature"] == 25.5
    with pytest.raises(SettingsError, match="nothing"):
        device.change("nothing", 1)


@pytest.mark.parametrize(
    ("faults", "sent"),
    [
        (Faults(), [(0.0, b"abcd\n")]),
        (Faults(late_s=0.5), [(0.5, b"abcd\n")]),
        (Faults(dropped=1), []),
        (Faults(split_s=0.2), [(0.0, b"ab"), (0.2, b"cd\n")]),
        (Faults(doubled=1), [(0.0, b"abcd\n"), (0.0, b"abcd\n")]),
        (Faults(unterminated=1), [(0.0, b"abcd")]),
        (Faults(cut=1), [(0.0, b"ab")]),
        (Faults(flood=3), [(0.0, b"xxx")]),
    ],
)
def test_faults(faults: Faults, sent: list[tuple[float, bytes]]) -> None:
    assert [(piece.after_s, piece.data) for piece in spoiled(b"abcd", b"\n", faults, random.Random(1))] == sent


def test_a_garbled_reply_differs_and_faults_are_seeded() -> None:
    faults = Faults(garbled=1)
    first, second = (spoiled(b"abcd", b"\n", faults, random.Random(5)) for _ in range(2))
    assert first == second
    assert first[0].data != b"abcd\n"


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(SettingsError, match="late_s"):
        Faults().change("slow", 1)


def test_the_command_that_is_written_first_wins() -> None:
    class Two(Device):
        @command(r"a(.*)")
        def first(self, rest: str) -> str:
            return f"first {rest}"

        @command(r"ab")
        def second(self) -> str:
            return "second"

    assert asked(Two(), "ab") == [b"first b"]


def transcript(tmp_path: Path, *entries: tuple[str, str, str]) -> Path:
    """Write a wire transcript of (port, kind, data), a second between two."""
    file = tmp_path / "wire.jsonl"
    lines = (
        {"t": 100.0 + at, "port": port, "record": "", "kind": kind, "data": data, "note": ""}
        for at, (port, kind, data) in enumerate(entries)
    )
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_a_recorded_device_answers_as_it_did(tmp_path: Path) -> None:
    talk = [
        ("out", "v?\n"),
        ("in", "1.0"),
        ("in", "\r\n"),
        ("out", "v?\n"),
        ("in", "2.0\r\n"),
        ("out", "v 3\n"),
        ("out", "v?\n"),
        ("in", "3\xff\r\n"),
    ]
    file = transcript(tmp_path, ("P", "open", ""), ("P", "in", "hello\r\n"), *(("P", *entry) for entry in talk))
    device = device_class(str(file))()

    assert device.terminator == "\n"
    assert asked(device, "v?", "v?", "v?", "v?", "v 3", "other") == [b"1.0\r\n", b"2.0\r\n", b"3\xff\r\n", b"3\xff\r\n", None, None]
    device.pass_time(0.9)
    assert device.outbox == []
    device.pass_time(0.2)
    assert device.outbox == [b"hello\r\n"]


def test_of_several_ports_one_is_named(tmp_path: Path) -> None:
    file = transcript(tmp_path, ("A", "out", "x\r"), ("A", "in", "a"), ("B", "out", "x\r"), ("B", "in", "b"))

    assert asked(device_class(f"{file}:B")(), "x") == [b"b"]
    for name, words in ((str(file), "one of its ports: A, B"), (f"{file}:C", "in the file: A, B")):
        with pytest.raises(SettingsError, match=words):
            device_class(name)


@pytest.mark.parametrize("text", [None, "no JSON\n", "[]\n", '{"port": "P"}\n'])
def test_a_file_that_is_no_transcript_is_told(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "wire.jsonl"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match="a wire transcript"):
        device_class(str(file))
