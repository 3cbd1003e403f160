"""Frames and serialisers of the daemon protocol; no class is ever looked up for what comes in."""

import json
import pickle
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import WireError
from testbeam.wire.nicos import daemon_frames as frames
from testbeam.wire.nicos.daemon_words import Command, Event
from testbeam.wire.nicos.serialisers import FOR_CLIENTS, SERIALISERS, SentError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
)


@given(st.sampled_from(Command), st.binary(max_size=100), st.integers(0, 100))
def test_a_command_is_taken_once_it_is_whole(command: Command, payload: bytes, cut: int) -> None:
    data = frames.encode_command(command, payload)
    buffer = bytearray(data[: cut % len(data)])

    assert frames.take_command(buffer) is None
    buffer += data[len(buffer) :] + b"\x05"
    frame = frames.take_command(buffer)
    assert frame is not None
    assert (frame.command, frame.payload, bytes(buffer)) == (command, payload, b"\x05")


@given(st.sampled_from(Event), st.binary(max_size=100), st.lists(st.binary(max_size=50), max_size=4), st.integers(0, 300))
def test_an_event_is_taken_once_it_is_whole_with_its_blobs(event: Event, payload: bytes, blobs: list[bytes], cut: int) -> None:
    data = frames.encode_event(event, payload, blobs)
    buffer = bytearray(data[: cut % len(data)])

    assert frames.take_event(buffer) is None
    buffer += data[len(buffer) :]
    frame = frames.take_event(buffer)
    assert frame is not None
    assert (frame.event, frame.payload, list(frame.blobs), bytes(buffer)) == (event, payload, blobs, b"")


@pytest.mark.parametrize(("ok", "payload"), [(True, None), (True, b""), (True, b"x" * 70_000), (False, b"no")])
def test_a_reply_is_taken(ok: bool, payload: bytes | None) -> None:
    buffer = bytearray(frames.encode_reply(ok, payload))
    frame = frames.take_reply(buffer)

    assert frame is not None
    assert (frame.ok, frame.payload) == (ok, payload or b"")
    assert not buffer


def test_garbage_is_refused_or_waited_for() -> None:
    noise = random.Random(5)
    for _ in range(2000):
        data = bytearray(noise.randbytes(noise.randrange(1, 60)))
        for take in (frames.take_command, frames.take_reply, frames.take_event):
            try:
                take(bytearray(data))
            except WireError:
                continue


def test_a_command_too_long_is_refused_before_it_has_come() -> None:
    with pytest.raises(WireError, match="more than"):
        frames.take_command(bytearray(b"\x05\x00\x22\xff\xff\xff\xff"))


@pytest.mark.parametrize("name", ["json", "classic"])
@given(value=PLAIN)
def test_plain_values_survive(name: str, value: Any) -> None:
    assert SERIALISERS[name].load(SERIALISERS[name].dump(value)) == value


class Evil:
    """What a pickle could run."""

    ran = False

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("Evil.ran = True",))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_with_a_class_is_refused(protocol: int) -> None:
    for value in (Evil(), [Evil()], {"a": Evil()}, print, Command):
        with pytest.raises(WireError):
            SERIALISERS["classic"].load(pickle.dumps(value, protocol))
    assert not Evil.ran


@pytest.mark.parametrize("where", [lambda one: one, lambda one: [one], lambda one: {"a": {"b": [one]}}])
def test_a_pickle_hidden_in_json_is_refused(where: Any) -> None:
    hidden = {"__pickle__": pickle.dumps(Evil(), 2).decode("latin-1")}

    with pytest.raises(WireError, match="hidden"):
        SERIALISERS["json"].load(json.dumps(where(hidden)).encode())
    assert not Evil.ran


def test_a_client_reads_objects_of_a_genuine_daemon_without_their_classes() -> None:
    value = {"key": b"bytes", "odd": Command.QUIT, "set": {1}, "evil": [Evil()]}

    read = FOR_CLIENTS["classic"].load(pickle.dumps(value, 2))

    assert read["key"] == b"bytes"
    assert read["set"] == [1]
    assert not Evil.ran


class Dataset:
    """An object that is made without its arguments, as most are."""

    def __init__(self) -> None:
        self.points = [(1, 2.5)]


def test_an_object_that_is_made_without_arguments_is_told_and_costs_nothing_beside_it() -> None:
    read = FOR_CLIENTS["classic"].load(pickle.dumps({"scan": Dataset(), "number": 5}, 2))

    assert read["number"] == 5
    assert "object" in str(read["scan"])


def test_an_exception_is_sent_as_genuine_clients_want_it_and_read_by_ours_as_text() -> None:
    data = SERIALISERS["json"].dump(ZeroDivisionError("division by zero"))

    sent = json.loads(data)
    assert repr(pickle.loads(sent["__pickle__"].encode("latin-1"))) == "ZeroDivisionError('division by zero')"
    assert FOR_CLIENTS["json"].load(data) == SentError("ZeroDivisionError: division by zero")


def test_an_exception_of_a_class_of_ones_own_is_sent_as_a_built_in_one() -> None:
    class OwnError(Exception):
        pass

    sent = json.loads(SERIALISERS["json"].dump(OwnError("x")))
    assert repr(pickle.loads(sent["__pickle__"].encode("latin-1"))) == "RuntimeError('OwnError: x')"


def test_what_json_has_no_word_for_goes_as_text() -> None:
    assert SERIALISERS["json"].load(SERIALISERS["json"].dump({"a": object, (1, 2): {3}, 4: b"x"}))["4"] == "x"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_refused(data: bytes) -> None:
    for serialiser in (*SERIALISERS.values(), *FOR_CLIENTS.values()):
        try:
            serialiser.load(data)
        except WireError:
            continue
