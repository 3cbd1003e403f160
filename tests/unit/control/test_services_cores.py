"""What the poller polls when, what the collector sends, who may log in."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from testbeam.errors import SettingsError
from testbeam.model.samples import Alarm, LogValue, Severity
from testbeam.services.control.collector.core import Core
from testbeam.services.control.daemon.users import users_of_file, users_of_setups
from testbeam.services.control.poller.core import BUSY_S, Schedule, setups_to_poll
from testbeam.transport.nicos.cache import CacheValue
from testbeam.wire.flatbuffers import registry
from tests.unit.control.holding import setup


def sent(core: Core, key: str, value: Any, **more: Any) -> Any:
    message = core.take(key, CacheValue(value, 12.5, **more))
    return None if message is None else (message[0], registry.decode(message[1]))


@pytest.mark.parametrize(
    ("value", "number", "kind"), [(1.5, 1.5, "float64"), (3, 3, "int64"), (True, 1, "int64"), (0, 0, "int64"), (0.0, 0.0, "float64")]
)
def test_numbers_are_f144_under_the_devices_name(value: Any, number: float, kind: str) -> None:
    key, log_value = sent(Core(), "motor/value", value)

    assert isinstance(log_value, LogValue)
    assert (key, log_value.source_name, log_value.timestamp_ns) == (b"motor", "motor", 12_500_000_000)
    assert (float(log_value.value), str(log_value.value.dtype)) == (number, kind)


def test_lists_of_numbers_are_arrays() -> None:
    _, log_value = sent(Core(), "slit/value", [1, 2.5])

    assert list(log_value.value) == [1.0, 2.5]


@pytest.mark.parametrize("value", ["text", None, [], ["a"], {"a": 1}])
def test_what_is_no_number_is_counted_and_not_sent(value: Any) -> None:
    core = Core()

    assert sent(core, "x/value", value) is None
    assert sum(core.dropped.values()) == 1


@pytest.mark.parametrize(("key", "more"), [("x/target", {}), ("value", {}), ("sample/value", {}), ("x/value", {"expired": True})])
def test_other_keys_ignored_devices_and_expired_values_are_not_sent(key: str, more: dict[str, Any]) -> None:
    assert sent(Core(frozenset({"sample"})), key, 1.0, **more) is None


@pytest.mark.parametrize(
    ("state", "severity"), [(200, Severity.OK), (220, Severity.OK), (210, Severity.MINOR), (240, Severity.MAJOR), (999, Severity.OK)]
)
def test_states_are_al00(state: int, severity: Severity) -> None:
    _, alarm = sent(Core(), "x/status", (state, "words"))

    assert isinstance(alarm, Alarm)
    assert (alarm.severity, alarm.message) == (severity, "words")


def test_an_alarm_is_sent_when_it_changes() -> None:
    core = Core()

    assert sent(core, "x/status", (200, "")) is not None
    assert sent(core, "x/status", (220, "")) is None
    assert sent(core, "x/status", (240, "")) is not None


@pytest.mark.parametrize("status", ["text", None, (1,), 5, (200, "a", 3)])
def test_a_status_of_another_form_is_counted_and_not_sent(status: Any) -> None:
    core = Core()

    assert sent(core, "x/status", status) is None
    assert sum(core.dropped.values()) == 1


def test_what_is_sent_again_has_its_old_time() -> None:
    core = Core()
    sent(core, "x/value", 1.0)
    sent(core, "x/value", 2.0)
    sent(core, "x/status", (200, ""))

    again = [registry.decode(payload) for _, payload in core.again()]
    assert [one.timestamp_ns for one in again] == [12_500_000_000] * 2
    assert float(again[0].value) == 2.0


def test_a_device_is_polled_at_its_interval_and_more_often_while_busy() -> None:
    schedule = Schedule()
    schedule.add("x", 5.0, 0.0)
    assert schedule.due(0.0) == ["x"]
    schedule.done("x", 0.0)
    assert schedule.due(4.9) == []
    assert schedule.due(5.0) == ["x"]
    schedule.done("x", 5.0, busy=True)
    assert schedule.next_s() == 5.0 + BUSY_S


def test_a_device_that_has_changed_is_polled_at_once_and_once() -> None:
    schedule = Schedule()
    schedule.add("x", 100.0, 0.0)
    schedule.due(0.0)
    schedule.done("x", 0.0)
    schedule.soon("x", 1.0)
    schedule.soon("x", 1.0)

    assert schedule.due(1.0) == ["x"]
    schedule.done("x", 1.0)
    assert schedule.due(50.0) == []


def test_a_failing_device_is_tried_again_within_its_interval() -> None:
    schedule, pauses, now_s = Schedule(), [], 0.0
    schedule.add("x", 10.0, 0.0)
    for _ in range(6):
        schedule.due(now_s)
        schedule.done("x", now_s, failed=True)
        following = schedule.next_s()
        assert following is not None
        pauses.append(following - now_s)
        now_s = following

    assert pauses == [1, 2, 4, 8, 10, 10]


def test_a_device_without_interval_is_polled_only_when_it_says_so() -> None:
    schedule = Schedule()
    schedule.add("x", None, 0.0)
    schedule.due(0.0)
    schedule.done("x", 0.0)

    assert schedule.next_s() is None
    schedule.soon("x", 7.0)
    assert schedule.due(7.0) == ["x"]


def test_the_setups_of_the_daemon_are_polled_with_those_of_always_and_without_those_of_never() -> None:
    assert setups_to_poll(["a", "b", "gone"], {"a", "b", "c"}, ("c", "a"), ("b",)) == ["c", "a"]


def test_users_of_a_setup_log_in_by_their_hash() -> None:
    passwords = [("guest", "", "guest"), ("me", hashlib.md5(b"right").hexdigest(), "admin")]
    config = ("nicos.services.daemon.auth.list.Authenticator", {"hashing": "md5", "passwd": passwords})
    users = users_of_setups({"daemon": setup("daemon", {"Auth": config})})

    me = users.log_in("me", "right")
    assert me is not None
    assert me.level == 20
    assert users.log_in("me", "wrong") is None
    assert users.log_in("me", "") is None
    assert users.log_in("nobody", "right") is None
    assert users.log_in("guest", "anything") is not None


def test_users_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text(f"# who\nme user sha1 {hashlib.sha1(b'x').hexdigest()}\n")
    assert users_of_file(file).log_in("me", "x") is not None

    file.write_text("me user x")
    with pytest.raises(SettingsError, match="line 1"):
        users_of_file(file)
    with pytest.raises(SettingsError, match="can be read"):
        users_of_file(tmp_path / "absent")


def test_a_level_that_is_none_is_refused() -> None:
    config = ("nicos.services.daemon.auth.list.Authenticator", {"passwd": [("me", "", "king")]})
    with pytest.raises(SettingsError, match="guest, user or admin"):
        users_of_setups({"daemon": setup("daemon", {"Auth": config})})
