"""Who holds a port, and what is free, on this very machine."""

import errno
import os
import socket
from pathlib import Path

import pytest

from testbeam.kit import host


@pytest.mark.parametrize(("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")])
def test_the_process_that_holds_a_port_is_named(protocol: host.Protocol, kind: int, family: int, address: str) -> None:
    with socket.socket(family, kind) as one:
        try:
            one.bind((address, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        if kind == socket.SOCK_STREAM:
            one.listen()
        port = one.getsockname()[1]

        (holder,) = host.port_holders(port, protocol, "127.0.0.1")
        other = host.port_holders(port, "udp" if protocol == "tcp" else "tcp", "127.0.0.1")

        assert (holder.pid, holder.address, holder.uid, other) == (os.getpid(), address, os.getuid(), ())
        shown = "127.0.0.1" if address == "127.0.0.1" else "*"
        assert host.holder_words(port, protocol).startswith(f"pid {os.getpid()} (")
        assert host.holder_words(port, protocol).endswith(f") at {shown}:{port}/{protocol}")


def test_a_port_on_another_address_is_not_in_the_way() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]

        assert host.port_holders(port, "udp", "127.77.0.1") == ()
        assert len(host.port_holders(port, "udp")) == 1


def test_a_port_that_nothing_holds_is_held_by_another_process() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.bind(("127.0.0.1", 0))  # bound, but it does not listen: in no table of the kernel
        assert host.holder_words(one.getsockname()[1], "tcp") == "another process"


def test_what_is_free_is_told_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert host.free_bytes(tmp_path / "not" / "yet") > 0
    assert host.no_room(tmp_path / "not" / "yet") == ""


def test_a_full_disk_is_named_with_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "free_bytes", lambda _: 40_000)

    assert host.no_room(tmp_path) == f"no room left in {tmp_path} (40.0 kB free)"
    assert host.why(OSError(errno.ENOSPC, "No space left on device"), tmp_path) == f"no room left in {tmp_path} (40.0 kB free)"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EROFS, "Read-only file system", "/x"), "/x is on a read-only file system"),
        (OSError(errno.EMFILE, "Too many open files"), "no file descriptor is left; raise the limit: ulimit -n 4096"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), "/x/y: Permission denied"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/tmp"), "no room left"),
    ],
)
def test_a_cause_is_told_in_words_not_in_numbers(error: OSError, words: str) -> None:
    assert words in host.why(error)
    assert "Errno" not in host.why(error)
