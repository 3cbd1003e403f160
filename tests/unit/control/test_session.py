"""Loading setups: devices after those that they work with; what fails is named, and the rest is there."""

import pytest

from testbeam.errors import DeviceError, SetupError
from testbeam.services.control.commands.user import UserCommands
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


def test_a_device_that_works_with_one_of_an_unknown_class_is_listed_with_it_and_fails_nothing() -> None:
    session = session_of(
        {
            "far": ("nicos.devices.generic.Switcher", {"moveable": "near", "mapping": {"a": 0}}),
            "near": ("nicos.devices.generic.Switcher", {"moveable": "odd", "mapping": {"a": 0}}),
            "det": ("nicos.devices.generic.Detector", {"timers": ["odd"]}),
            "odd": ("some.Unknown", {}),
            "x": (MOTOR, {}),
        }
    )
    session.load(["one"])

    assert session.unknown_classes == dict.fromkeys(("far", "near", "det", "odd"), "some.Unknown")
    assert "not made: far, near, det, odd" in session.told.text
    assert set(session.devices) == {"x"}


ALIAS = "nicos.devices.generic.DeviceAlias"


def test_an_alias_stands_for_the_preferred_device_that_is_there() -> None:
    setups = {
        "base": setup("base", {"T": (ALIAS, {}), "a": (MOTOR, {})}, alias_config={"T": {"a": 10, "gone": 50}}),
        "more": setup("more", {"b": (MOTOR, {})}, alias_config={"T": {"b": 90}}),
    }
    session = FakeSession(setups)
    session.load(["base"])
    assert session.devices["T"].alias == "a"
    session.load(["more"])
    assert session.devices["T"].alias == "b"

    session.devices["T"].alias = "a"
    session.load(["base", "more"], anew=True)
    assert session.devices["T"].alias == "a", "what the user chose stays"


def test_an_alias_that_nothing_is_there_for_is_told_and_fails_only_when_it_is_used() -> None:
    session = FakeSession({"one": setup("one", {"T": (ALIAS, {})}, alias_config={"T": {"gone": 1}, "U": {"T": 1}})})
    session.load(["one"])

    assert "could stand for gone" in session.told.text
    assert "U is no device" in session.told.text
    with pytest.raises(DeviceError, match="stands for no device"):
        session.devices["T"].read(0)
    session.devices["T"].alias = ""


def test_the_system_setup_is_loaded_with_every_other_one_unless_that_keeps_it_out() -> None:
    session = FakeSession({"system": setup("system", {"x": (MOTOR, {})}), "a": setup("a"), "b": setup("b", excludes=("system",))})
    commands = UserCommands(session, None)
    commands.new_setup("a")
    assert (session.loaded_setups, session.explicit_setups) == (["system", "a"], ["a"])
    commands.new_setup("b")
    assert session.loaded_setups == ["b"]
    session.setups["system"] = setup("system", problem="system.py, line 1: odd")
    commands.new_setup("a")
    assert session.loaded_setups == ["a"]
    assert "system.py, line 1: odd" in session.told.text


def test_start_up_code_runs_also_of_what_is_included_and_its_error_is_told() -> None:
    session = FakeSession(
        {"a": setup("a", startupcode="seen.append('a')", includes=("b",)), "b": setup("b", startupcode="seen.append(nothing)")}
    )
    commands = UserCommands(session, None)
    seen: list[str] = []
    commands.namespace = {"seen": seen}
    commands.new_setup("a")
    commands.add_setup("a")

    assert seen == ["a"]
    assert "b.py: startupcode: NameError: name 'nothing'" in session.told.text
