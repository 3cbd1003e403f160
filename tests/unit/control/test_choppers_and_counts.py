"""Choppers, groups of alarms, counters of events and values of topics: by PVs and messages that the test gives."""

from typing import Any

import numpy as np
import pytest

from testbeam.errors import DeviceError, LimitError, SetupError
from testbeam.model.samples import Events, LogValue
from testbeam.services.control.devices.kafka_devices import KafkaDevice
from tests.unit.control.holding import FakeSession, setup

EPICS, PVA = "nicos_ess.devices.epics", "nicos_ess.devices.epics.pva"
ALARMS = ("Comm_Alrms", "HW_Alrms", "IntLock_Alrms", "Lvl_Alrm", "Pos_Alrms", "Pwr_Alrms", "SW_Alrms", "Volt_Alrms")


@pytest.fixture
def chopper() -> FakeSession:
    """A chopper as setups of the field have it: five devices behind its controller, and its phase."""
    devices = {
        "state": (f"{PVA}.EpicsMappedReadable", {"readpv": "C:State"}),
        "command": (f"{PVA}.EpicsMappedMoveable", {"readpv": "C:Cmd", "writepv": "C:Cmd", "mapping": {"Start": 6, "Stop": 3}}),
        "speed": (f"{PVA}.EpicsManualMappedAnalogMoveable", {"readpv": "C:Spd", "writepv": "C:Spd", "mapping": {"14 Hz": 14, "0 Hz": 0}}),
        "delay": (f"{PVA}.EpicsAnalogMoveable", {"readpv": "C:Delay", "writepv": "C:Delay", "abslimits": (-1e8, 1e8)}),
        "chic": (f"{PVA}.EpicsMappedReadable", {"readpv": "C:Conn", "mapping": {"Connected": 1, "Disconnected": 0}}),
        "alarms": (f"{EPICS}.chopper.NewChopperAlarms", {"pv_root": "C:"}),
        "errors": (f"{EPICS}.chopper_delay_error.ChopperDelayError", {"readpv": "C:Diff", "unit": "ns"}),
        "c": (
            f"{EPICS}.chopper.NewEssChopperController",
            {"state": "state", "command": "command", "speed": "speed", "chic_conn": "chic", "alarms": "alarms", "slit_edges": [[0, 98]]},
        ),
        "phase": (
            "nicos_ess.devices.transformer_devices.ChopperPhase",
            {"phase_ns_dev": "delay", "mapped_speed_dev": "speed", "offset": 10},
        ),
    }
    session = FakeSession({"one": setup("one", devices)})
    for name, value in {"State": "Parked", "Cmd": 6, "Spd": 14.0, "Delay": 0.0, "Conn": 1, "Diff": [1.0, 2.0, 6.0]}.items():
        session.fake.set(f"C:{name}", value)
    for name in ALARMS:
        session.fake.set(f"C:{name}", 0)
    session.load(["one"])
    return session


def test_a_chopper_takes_commands_and_a_stop_sets_its_speed_to_nothing(chopper: FakeSession) -> None:
    controller: Any = chopper.devices["c"]
    assert controller.read(0) == "Parked"
    controller.start("Start")
    assert chopper.fake.puts == [("C:Cmd", 6)]
    controller.start("Stop")
    assert chopper.fake.puts[1:] == [("C:Spd", 0.0), ("C:Cmd", 3)]
    with pytest.raises(LimitError, match="Start, Stop"):
        controller.start("Fly")


def test_a_choppers_status_is_that_of_its_alarms_and_its_connection(chopper: FakeSession) -> None:
    controller: Any = chopper.devices["c"]
    assert controller.status(0)[0] == 200
    chopper.fake.set("C:Conn", 0)
    assert controller.status(0) == (240, "no connection to its controller")
    chopper.fake.set("C:HW_Alrms", 1, severity=2, status="HIHI")
    assert controller.status(0) == (240, "C:HW_Alrms: HIHI")
    assert chopper.devices["alarms"].read(0) == "C:HW_Alrms: HIHI"
    chopper.fake.away.add("C:Pwr_Alrms")
    chopper.time_s += 100
    assert chopper.devices["alarms"].status(0)[0] == 240


def test_a_phase_is_a_delay_by_the_speed(chopper: FakeSession) -> None:
    phase: Any = chopper.devices["phase"]
    phase.start(80.0)
    ((name, value),) = chopper.fake.puts
    assert (name, value) == ("C:Delay", pytest.approx(90 / 360 / 14 * 1e9))
    assert phase.read(0) == pytest.approx(80)
    with pytest.raises(LimitError, match="delay"):
        phase.start(1000.0)

    chopper.devices["speed"].start("0 Hz")
    with pytest.raises(DeviceError, match="no phase while the speed is 0"):
        phase.start(1.0)


def test_delay_errors_are_told_by_their_mean(chopper: FakeSession) -> None:
    assert chopper.devices["errors"].read(0) == 3.0


def test_bits_that_are_set_warn_by_their_names() -> None:
    session = FakeSession(
        {"one": setup("one", {"cabinet": (f"{EPICS}.mbbi_direct.MBBIDirectStatus", {"pv_root": "M", "number_of_bits": 11})})}
    )
    for n in range(11):
        session.fake.set(f"M.B{n:X}", 0)
        session.fake.set(f"MBitNam{n}", f"bit {n}")
    session.load(["one"])
    cabinet: Any = session.devices["cabinet"]
    assert cabinet.status(0)[0] == 200
    session.fake.set("M.BA", 1)
    session.fake.set("M.B2", 1)
    assert cabinet.status(0) == (210, "bit 2, bit 10")
    assert cabinet.read(0) == "bit 2, bit 10"


@pytest.fixture
def supply() -> FakeSession:
    """Two channels of a power supply, of which one is on, and their bank."""
    kind = f"{EPICS}.power_supply_channel"
    names = {"OFF": 0, "ON": 1}
    devices = {
        **{f"ch{n}": (f"{kind}.PowerSupplyChannel", {"ps_pv": f"PS:{n}", "board": "100", "channel": n, "mapping": names}) for n in (0, 1)},
        "bank": (f"{kind}.PowerSupplyBank", {"ps_channels": ["ch0", "ch1"], "mapping": names}),
    }
    session = FakeSession({"one": setup("one", devices)})
    for n, values in enumerate(((1, 1, 1200.0, 0.5), (0, 0, 0.0, 0.0))):
        for suffix, value in zip(("-Pw-RB", "-Status-ON", "-VMon", "-IMon"), values, strict=True):
            session.fake.set(f"PS:{n}{suffix}", value)
    session.load(["one"])
    return session


def test_a_channel_of_a_power_supply_tells_its_voltage_and_is_switched(supply: FakeSession) -> None:
    first: Any = supply.devices["ch0"]
    assert first.read(0) == "ON"
    assert first.status(0) == (200, "on, 1200.000 V, 0.500 uA")
    assert (first.voltage_monitor, first.current_monitor) == (1200.0, 0.5)
    first.disable()
    assert supply.fake.puts == [("PS:0-Pw", 0)]
    supply.fake.set("PS:0-IMon", 0.5, severity=2, status="HIHI")
    assert first.status(0) == (240, "PS:0-IMon: HIHI")


def test_a_bank_is_on_where_a_channel_is_and_switches_all(supply: FakeSession) -> None:
    bank: Any = supply.devices["bank"]
    assert bank.read(0) == "ON"
    assert bank.status(0) == (220, "1 of 2 channels are on")
    bank.enable()
    assert supply.fake.puts == [("PS:0-Pw", 1), ("PS:1-Pw", 1)]
    supply.fake.set("PS:0-Status-ON", 0)
    assert (bank.read(0), bank.status(0)) == ("OFF", (200, "0 of 2 channels are on"))
    supply.fake.set("PS:1-VMon", 0.0, severity=2, status="LOLO")
    assert bank.status(0)[0] == 210


def events(source: str, pixels: list[int]) -> Events:
    none = np.zeros(1, np.int64)
    times = np.zeros(len(pixels) or 5, np.int32)
    return Events(
        source_name=source,
        message_id=1,
        reference_time_ns=none,
        reference_time_index=none.astype(np.int32),
        time_of_flight_ns=times,
        pixel_id=np.array(pixels, np.int32),
    )


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Kafka: what devices listen to is given to them by the test."""
    monkeypatch.setattr(KafkaDevice, "init", lambda _self: None)


@pytest.mark.usefixtures("listening")
def test_events_are_counted_by_source_and_pixels_while_it_counts() -> None:
    image = "nicos_ess.devices.datasources.just_bin_it.JustBinItImage"
    given = {"brokers": ["nowhere:1"], "data_topic": "d", "hist_topic": "h"}
    devices = {
        "bank": (image, given | {"hist_type": "2-D DET", "det_range": (1, 3), "source": "a"}),
        "monitor": (image, given | {"hist_type": "1-D TOF", "det_range": (0, 1)}),
    }
    session = FakeSession({"one": setup("one", devices)})
    session.load(["one"])
    bank, monitor = session.devices["bank"], session.devices["monitor"]

    def tell(*messages: Any) -> None:
        for message in messages:
            bank.take(message)
            monitor.take(message)

    tell(events("a", [1, 2]))
    for one in (bank, monitor):
        one.start(None)
    tell(events("a", [0, 1, 3, 4]), events("b", [1]), events("m", []), LogValue(source_name="a", value=np.float64(1), timestamp_ns=1))
    assert (bank.do_read(), monitor.do_read()) == (2, 10)
    assert bank.pause()
    tell(events("a", [1]))
    bank.resume()
    tell(events("a", [1]))
    bank.finish()
    tell(events("a", [1]))
    assert bank.do_read() == 3
    assert bank.status(0)[0] == 200


def test_values_of_topics_are_the_newest_of_their_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KafkaDevice, "topics", lambda _self: [])
    package = "nicos_ess.devices.kafka.readback"
    devices = {
        "router": (f"{package}.KafkaReadbackRouter", {"brokers": ["nowhere:1"], "topics": ["t"]}),
        "charge": (f"{package}.KafkaReadable", {"kafka": "router", "topic": "t", "source_name": "A", "unit": "uC"}),
        "lost": (f"{package}.KafkaReadable", {"topic": "t", "source_name": "A"}),
    }
    session = FakeSession({"one": setup("one", devices)}, writes=False)
    with pytest.raises(SetupError, match=r"lost.*neither `brokers` nor a `kafka`"):
        session.load(["one"])
    charge: Any = session.devices["charge"]
    assert charge.brokers == ["nowhere:1"]
    with pytest.raises(DeviceError, match="nothing came from 'A'"):
        charge.read(0)
    for stamp, value in ((5, 1.5), (4, 9.0)):
        charge.take(LogValue(source_name="A", value=np.float64(value), timestamp_ns=stamp))
    charge.take(LogValue(source_name="B", value=np.float64(7), timestamp_ns=9))
    assert charge.read(0) == 1.5
    assert charge.status(0)[0] == 200


def test_a_manual_switch_is_what_its_pv_says() -> None:
    given = {"writepv": "S", "states": ["hold", "ramp"], "mapping": {"hold": "HOLD", "ramp": "RTOS"}}
    session = FakeSession({"one": setup("one", {"s": (f"{EPICS}.manual_switch.ManualSwitch", given)})})
    session.fake.set("S", "HOLD")
    session.load(["one"])
    switch: Any = session.devices["s"]
    assert switch.read(0) == "hold"
    switch.start("ramp")
    assert (session.fake.puts, switch.read(0)) == ([("S", "RTOS")], "ramp")
    session.fake.set("S", "CLAMP")
    assert switch.read(0) == "CLAMP"
    with pytest.raises(LimitError, match="hold, ramp"):
        switch.start("fly")


def test_free_space_warns_below_its_minimum(tmp_path: Any) -> None:
    session = FakeSession({"one": setup("one", {"space": ("nicos.devices.generic.FreeSpace", {"path": str(tmp_path), "minfree": 0})})})
    session.load(["one"])
    space: Any = session.devices["space"]
    assert space.read(0) > 0
    assert space.status(0)[0] == 200
    space.minfree = 1e9
    assert space.status(0)[0] == 210
    lost = FakeSession({"one": setup("one", {"space": ("nicos.devices.generic.FreeSpace", {"path": "/no/such/path"})})})
    lost.load(["one"])
    with pytest.raises(DeviceError, match="/no/such/path"):
        lost.devices["space"].read(0)
