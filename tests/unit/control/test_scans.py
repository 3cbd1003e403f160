"""Scans: all points checked first, sinks told whatever comes, pauses without a lost or doubled point."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbeam.errors import ControlError, DeviceError, LimitError
from testbeam.services.control.commands.flow import Flow, ScriptStopped
from testbeam.services.control.commands.user import UserCommands
from testbeam.services.control.devices.sinks import Point, Scan
from testbeam.wire.nicos.daemon_words import BreakLevel
from tests.unit.control.holding import FakeSession, setup

GENERIC = "nicos.devices.generic"


class Listener:
    """What a scan told, and what is done at a point."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.points: list[Point] = []
        self.at_point: dict[int, Any] = {}

    def begin(self, scan: Scan) -> None:
        self.events.append(f"begin {scan.total}")

    def take(self, _scan: Scan, point: Point) -> None:
        self.points.append(point)
        self.at_point.get(point.number, lambda: None)()

    def end(self, scan: Scan) -> None:
        self.events.append(f"end {scan.ended} {len(scan.points)}")


class Scene:
    """A session with two motors and a detector, and its commands."""

    def __init__(self, folder: Path) -> None:
        self.flow = Flow(lambda _status, _line: None)
        devices = {
            "x": (f"{GENERIC}.VirtualMotor", {"abslimits": (-10, 10), "unit": "mm"}),
            "y": (f"{GENERIC}.VirtualMotor", {"abslimits": (-10, 10)}),
            "temperature": (f"{GENERIC}.ManualMove", {"default": 20.0}),
            "timer": (f"{GENERIC}.VirtualTimer", {}),
            "ctr": (f"{GENERIC}.VirtualCounter", {"countrate": 100}),
            "det": (f"{GENERIC}.Detector", {"timers": ["timer"], "counters": ["ctr"]}),
            "Exp": ("nicos_ess.devices.experiment.EssExperiment", {"dataroot": str(folder)}),
        }
        self.session = FakeSession({"one": setup("one", devices, sysconfig={"experiment": "Exp"})}, breakpoint_=self.flow.breakpoint)
        self.session.tick_s = 0.01
        self.session.woken.wait = lambda timeout=None: True  # type: ignore[method-assign]  # noqa: ARG005  # time passes by looks
        self.session.load(["one"])
        self.commands = UserCommands(self.session, self.flow)
        self.commands.set_detectors("det")
        self.listener = Listener()
        self.commands.scanner.listeners.append(self.listener)
        self.flow.begin()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.session.close()


def test_each_point_has_places_and_counts(scene: Scene) -> None:
    scene.commands.scan("x", 0, 2, 3, t=1)

    assert [point.positions for point in scene.listener.points] == [(0,), (2,), (4,)]
    assert all(point.results[0] == pytest.approx(1) and 50 < point.results[1] < 150 for point in scene.listener.points)
    assert scene.listener.events == ["begin 3", "end finished 3"]


@pytest.mark.parametrize(
    ("arguments", "places"),
    [
        (("x", [1, 5, 2]), [(1,), (5,), (2,)]),
        ((["x", "y"], [[1, 2], [3, 4]]), [(1, 3), (2, 4)]),
        ((["x", "y"], [0, 1], [1, -1], 3), [(0, 1), (1, 0), (2, -1)]),
    ],
)
def test_the_forms_of_a_scan(scene: Scene, arguments: Any, places: Any) -> None:
    scene.commands.scan(*arguments, t=0.1)

    assert [point.positions for point in scene.listener.points] == places


def test_a_centred_scan_goes_around_a_place_and_a_multiscan_over_all_combinations(scene: Scene) -> None:
    scene.commands.centred_scan("x", 2, 1, 1, t=0.1)
    scene.commands.multi_scan(["x", "y"], [[0, 1], [5, 6]], t=0.1)

    assert [point.positions for point in scene.listener.points] == [(1,), (2,), (3,), (0, 5), (0, 6), (1, 5), (1, 6)]


@pytest.mark.parametrize("arguments", [(), (1,), (1, 2), (0, 1, 0), (0, 1, 2.5), ([[1, 2], [3]],)])
def test_arguments_of_no_form_are_refused(scene: Scene, arguments: Any) -> None:
    with pytest.raises(ControlError):
        scene.commands.scan(["x", "y"] if len(arguments) == 1 and isinstance(arguments[0], list) else "x", *arguments, t=1)
    assert not scene.listener.events


def test_a_point_outside_the_limits_is_found_before_anything_moves(scene: Scene) -> None:
    with pytest.raises(LimitError, match="12"):
        scene.commands.scan("x", 0, 4, 4, t=1)

    assert scene.session.devices["x"].read(0) == 0
    assert not scene.listener.events


def test_without_preset_or_detector_nothing_is_counted(scene: Scene) -> None:
    with pytest.raises(ControlError, match="no preset"):
        scene.commands.count()
    with pytest.raises(ControlError, match="no detector has a preset"):
        scene.commands.count(nothing=1)
    scene.commands.set_detectors()
    with pytest.raises(ControlError, match="no detector to count with"):
        scene.commands.count(1)


@pytest.mark.parametrize("wrong", [-1, "1", True, None])
def test_a_preset_is_a_number_from_zero(scene: Scene, wrong: Any) -> None:
    with pytest.raises((ControlError, DeviceError)):
        scene.commands.count(t=wrong)


def test_a_stop_after_a_point_tells_how_many_are_real_and_counting_goes_on_working(scene: Scene) -> None:
    scene.listener.at_point[2] = lambda: scene.flow.request_stop(BreakLevel.AFTER_STEP, "me")
    with pytest.raises(ScriptStopped):
        scene.commands.scan("x", 0, 1, 5, t=0.1)
    scene.flow.reset()
    scene.flow.begin()

    assert scene.listener.events[-1] == "end stopped 2"
    scene.commands.count(0.1)


def test_a_finished_count_ends_early(scene: Scene) -> None:
    scene.session.on_tick = lambda _now: scene.flow.finish_early.set()
    values = scene.commands.count(1000)

    assert values[0] < 10


def test_a_scan_within_a_scan_is_refused(scene: Scene) -> None:
    def another() -> None:
        with pytest.raises(ControlError):
            scene.commands.scan("y", [1], t=1)

    scene.listener.at_point[1] = another
    scene.commands.scan("x", [0, 1], t=0.1)

    assert scene.listener.events == ["begin 2", "end finished 2"]


def test_the_environment_is_recorded(scene: Scene) -> None:
    scene.commands.set_environment("temperature")
    scene.commands.scan("x", [0], t=0.1)

    assert scene.listener.points[0].environment == (20.0,)


def test_a_sink_that_fails_is_told_of_and_the_scan_goes_on(scene: Scene) -> None:
    class Full:
        def begin(self, *_: Any) -> None:
            raise OSError("no space left")

        take = end = begin

    scene.commands.scanner.listeners.insert(0, Full())
    scene.commands.scan("x", [0, 1], t=0.1)

    assert scene.listener.events == ["begin 2", "end finished 2"]
    assert "no space left" in scene.session.told.text


def test_a_channel_that_fails_is_told_of_and_counting_goes_on(scene: Scene) -> None:
    timer: Any = scene.session.devices["timer"]
    real, looks = timer.is_completed, iter(range(100))

    def sometimes() -> bool:
        if next(looks) < 2:
            raise DeviceError("timer is away")
        return bool(real())

    timer.is_completed = sometimes
    scene.commands.count(0.5)

    assert "counting goes on" in scene.session.told.text


def test_numbers_rise_over_sessions(scene: Scene, tmp_path: Path) -> None:
    scene.commands.scan("x", [0], t=0.1)
    scene.commands.scan("x", [0], t=0.1)

    assert Scene(tmp_path).session.devices["Exp"].lastscan == 2


def test_speed_comes_back_after_a_continuous_scan_that_fails(scene: Scene) -> None:
    motor: Any = scene.session.devices["x"]
    motor.speed = 3.0
    scene.listener.at_point[1] = lambda: scene.flow.request_stop(BreakLevel.IMMEDIATE, "me")
    with pytest.raises(ScriptStopped):
        scene.commands.continuous_scan("x", 0, 9, speed=1.0, interval=0.1)

    assert motor.speed == 3.0
    assert motor.status(0)[0] != 220


def test_a_manual_scan_makes_each_count_a_point(scene: Scene) -> None:
    with scene.commands.manual_scan("x"):
        for place in (1, 2):
            scene.commands.maw("x", place)
            scene.commands.count(0.1)

    assert [point.positions for point in scene.listener.points] == [(1,), (2,)]


def test_a_stop_names_the_devices_that_do_not_obey(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbeam.services.control.commands.device_commands._STOP_S", 0.01)
    motor: Any = scene.session.devices["x"]
    motor.speed = 0.001
    motor.start(9)
    motor.do_stop = lambda: None

    with pytest.raises(DeviceError, match="x still moves"):
        scene.commands.stop()


def test_a_moved_device_waits_and_tells(scene: Scene) -> None:
    scene.commands.maw("x", 3, "y", -2)
    scene.commands.relative_maw("x", 1)

    assert scene.commands.read("x") == 4
    assert "x = 4.000 mm" in scene.session.told.text


def test_a_fixed_device_stands(scene: Scene) -> None:
    scene.commands.fix("x", "cable is short")
    with pytest.raises(DeviceError, match="cable is short"):
        scene.commands.maw("x", 1)
    scene.commands.release("x")
    scene.commands.maw("x", 1)
