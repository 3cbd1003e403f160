"""The daemon, by bare frames: who may log in, what is refused and how, and that garbage costs nobody else anything."""

import json
import os
import random
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from testbeam.clients.control import Client
from testbeam.errors import ControlError, ScriptFailed
from testbeam.wire.nicos.daemon_frames import encode_command, take_reply
from testbeam.wire.nicos.daemon_words import Command

Connect = Callable[[str], socket.socket]
CASES = 10_000 if os.environ.get("TESTBEAM_SOAK") else 1_000
CASES_OF_ANOTHER = 100  # one that takes seconds for each


def reply(connection: socket.socket) -> Any:
    buffer = bytearray()
    connection.settimeout(30)
    while (frame := take_reply(buffer)) is None:
        data = connection.recv(65_536)
        if not data:
            return None
        buffer += data
    return frame


def test_the_banner_names_the_protocol(client: Client) -> None:
    assert client.banner["protocol_version"] in (22, 23, 24)
    assert client.banner["daemon_version"]


@pytest.mark.parametrize(("user", "password"), [("user", "wrong"), ("nobody", "user"), ("", "")])
def test_wrong_credentials_are_refused(shared_run: Any, user: str, password: str) -> None:
    with pytest.raises(ControlError):
        shared_run["daemon"].client(user=user, password=password)


def test_a_guest_may_look_and_not_run(shared_run: Any, ours: bool) -> None:
    with shared_run["daemon"].client(user="guest", password="") as guest:
        assert guest.eval("1 + 1") == 2
        if ours:
            with pytest.raises(ScriptFailed):
                guest.execute("pass")


def test_an_expression_that_fails_is_an_error_or_the_default(client: Client, ours: bool) -> None:
    assert client.eval("1/0", stringify=True).startswith("<cannot be evaluated: ")
    if ours:
        assert client.eval("1/0", default=7) == 7
        with pytest.raises(ControlError, match="division by zero"):
            client.eval("1/0")


def test_unknown_commands_and_wrong_arguments_are_refused(client: Client) -> None:
    with pytest.raises(ControlError):
        client.ask(Command.QUEUE, "one argument")
    with pytest.raises(ControlError):
        client.ask(Command.BREAK, 1)

    assert client.eval("2 + 2") == 4


def test_control_is_kept_from_lower_levels(shared_run: Any, client: Client) -> None:
    endless = client.queue("while True: sleep(0.05)")
    with shared_run["daemon"].client(user="user", password="user") as user:
        with pytest.raises(ControlError):
            user.break_()
        user.emergency()
    with pytest.raises(ScriptFailed):
        client.wait_done(endless)


def test_completion_knows_commands_and_devices(client: Client) -> None:
    assert "maw" in {one.rstrip("(") for one in client.complete("ma")}
    assert "SmokeBasicMoveable" in {one.rstrip("(") for one in client.complete("maw(SmokeBasicM")}


def test_a_pickle_in_json_is_never_read(connect: Connect, client: Client, ours: bool) -> None:
    if not ours:
        pytest.skip("the genuine serialiser reads it, by design")
    connection = connect("daemon")
    connection.sendall(os.urandom(16))
    assert reply(connection).ok
    hidden = {"__pickle__": "cos\nsystem\n(S'touch /tmp/testbeam-was-here'\ntR."}
    connection.sendall(encode_command(Command.AUTHENTICATE, json.dumps([hidden]).encode()))

    assert not reply(connection).ok
    assert not os.path.exists("/tmp/testbeam-was-here")  # noqa: PTH110
    assert client.eval("3 + 3") == 6


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n" * 4, b"\x05" + b"\xff" * 6, struct.pack(">cHI", b"\x05", 0x64, 2**31)])
def test_garbage_closes_its_own_connection_only(connect: Connect, client: Client, garbage: bytes) -> None:
    connection = connect("daemon")
    connection.sendall(os.urandom(16))
    reply(connection)
    connection.sendall(garbage)
    connection.settimeout(10)
    with suppress(OSError):  # reset, or closed already
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass

    assert client.eval("4 + 4") == 8


def test_half_open_and_silent_connections_block_nobody(connect: Connect, shared_run: Any) -> None:
    for sent in (b"", b"1", os.urandom(15), os.urandom(16)):
        connect("daemon").sendall(sent)

    with shared_run["daemon"].client() as another:
        assert another.eval("5 + 5") == 10


def test_random_bytes_are_survived(connect: Connect, client: Client, shared_run: Any, ours: bool) -> None:
    noise = random.Random(23)
    for _ in range(CASES if ours else CASES_OF_ANOTHER):
        with connect("daemon") as broken:
            broken.sendall(noise.randbytes(noise.randrange(1, 200)))

    assert client.eval("6 + 6") == 12
    with shared_run["daemon"].client(within_s=60) as another:  # the genuine one takes its time to be rid of them
        assert another.eval("7 + 7") == 14


def test_mutated_commands_are_answered_or_end_their_own_connection(connect: Connect, client: Client, ours: bool) -> None:
    if not ours:
        pytest.skip("the genuine daemon reads pickles, and may do what a mutated one says")
    rng, connection = random.Random(24), None
    words: list[Any] = ["1", "", 0, -1, 2**70, None, True, 1.5, "*", ["1"], {"a": 1}, "x" * 5000, {"__pickle__": "x"}, [[[[]]]]]
    for _ in range(CASES):
        if connection is None:
            connection = log_in(connect, "guest")
        arguments = json.dumps([rng.choice(words) for _ in range(rng.randrange(5))]).encode()
        frame = bytearray(encode_command(rng.choice([one for one in Command if one is not Command.EMERGENCY]), arguments))
        for _ in range(rng.choice((0, 0, 1, 3))):
            frame[rng.randrange(7, len(frame))] = rng.randrange(256)
        try:
            connection.sendall(frame)
            if reply(connection) is None:
                connection = None
        except ConnectionError:
            connection = None

    assert client.eval("8 + 8") == 16


def log_in(connect: Connect, user: str) -> socket.socket:
    """Return a bare connection of somebody who has logged in."""
    connection = connect("daemon")
    connection.sendall(os.urandom(16))
    reply(connection)
    about = {"login": user, "passwd": "", "display": ""}
    connection.sendall(encode_command(Command.AUTHENTICATE, json.dumps([about]).encode()))
    assert reply(connection).ok
    return connection
