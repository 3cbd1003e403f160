"""Loading setups: devices after those that they work with; what fails is named, and the rest is there."""

import pytest

from testbeam.errors import DeviceError, SetupError
from tests.unit.control.holding import FakeSession, session_of, setup

MOTOR = "nicos.devices.generic.VirtualMotor"


def test_a_device_is_made_after_those_that_it_works_with() -> None:
    session = session_of(
        {
            "det": ("nicos.devices.generic.Detector", {"timers": ["timer"]}),
            "timer": ("nicos.devices.generic.VirtualTimer", {}),
        }
    )
    session.load(["one"])

    assert list(session.devices) == ["timer", "det"]


def test_an_unknown_class_is_listed_and_the_others_load() -> None:
    session = session_of({"odd": ("some.Unknown", {}), "x": (MOTOR, {})})
    session.load(["one"])

    assert set(session.devices) == {"x"}
    assert session.unknown_classes == {"odd": "some.Unknown"}
    assert "some.Unknown" in session.told.text
    assert "odd" in session.told.text


def test_devices_that_cannot_be_made_fail_the_setup_by_name_and_the_others_are_there() -> None:
    session = session_of({"bad": (MOTOR, {"abslimits": "nonsense"}), "x": (MOTOR, {}), "user": ("nicos.devices.generic.Switcher", {})})

    with pytest.raises(SetupError, match=r"bad.*abslimits.*user.*mapping"):
        session.load(["one"])

    assert set(session.devices) == {"x"}
    assert set(session.device_failures) == {"bad", "user"}


def test_includes_come_first_and_a_circle_is_no_trap() -> None:
    session = FakeSession({"a": setup("a", {"x": (MOTOR, {})}, includes=("b",)), "b": setup("b", {"y": (MOTOR, {})}, includes=("a",))})
    session.load(["a"])

    assert session.loaded_setups == ["b", "a"]
    assert session.explicit_setups == ["a"]


def test_a_setup_that_is_not_there_changes_nothing_and_a_near_one_is_named() -> None:
    session = session_of({"x": (MOTOR, {})})
    session.load(["one"])

    with pytest.raises(SetupError, match="did you mean one"):
        session.load(["onee"], anew=True)

    assert set(session.devices) == {"x"}


def test_an_excluded_setup_is_refused() -> None:
    session = FakeSession({"a": setup("a"), "b": setup("b", excludes=("a",))})
    session.load(["a"])

    with pytest.raises(SetupError, match="excludes 'a'"):
        session.load(["b"])


@pytest.mark.parametrize("group", ["special", "configdata"])
def test_setups_of_services_are_not_loaded(group: str) -> None:
    with pytest.raises(SetupError, match=group):
        FakeSession({"a": setup("a", group=group)}).load(["a"])


def test_a_device_of_another_setup_is_pointed_to() -> None:
    session = FakeSession({"a": setup("a"), "b": setup("b", {"x": (MOTOR, {})})})
    session.load(["a"])

    with pytest.raises(DeviceError, match=r"AddSetup\('b'\)"):
        session.get_device("x")


def test_devices_that_need_each_other_are_named() -> None:
    switcher = "nicos.devices.generic.Switcher"
    session = session_of({"a": (switcher, {"moveable": "b", "mapping": {}}), "b": (switcher, {"moveable": "a", "mapping": {}})})

    with pytest.raises(SetupError, match="needs itself"):
        session.load(["one"])


def test_a_kept_parameter_survives_a_new_session() -> None:
    first = session_of({"x": (MOTOR, {"abslimits": (-10, 10)})})
    first.load(["one"])
    first.devices["x"].userlimits = (-1, 1)
    second = session_of({"x": (MOTOR, {"abslimits": (-10, 10)})})
    second.cache = first.cache
    second.load(["one"])

    assert tuple(second.devices["x"].userlimits) == (-1, 1)
