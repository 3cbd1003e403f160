import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from testbeam.errors import FetchError, TestbeamError
from testbeam.kafka_distribution import aot, fetch, jars
from testbeam.kafka_distribution.cache import user_cache
from testbeam.kafka_distribution.options import LaunchOptions
from testbeam.stacks.roles.broker import training
from testbeam.stacks.roles.broker.prepare import prepare

SMALL, BIGGER = "jspecify-1.0.0.jar", "slf4j-simple-2.0.17.jar"


class Lines:
    """Keeps what the user would be told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    @contextmanager
    def bar(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
        self.said.append(f"{text} {total}")
        yield lambda _size: None

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        self.said.append(text)
        yield


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def repository(filled_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve two of the jars as a Maven repository on loopback, named in the user's jgo settings; return its folder."""
    folder = tmp_path / "repository"
    for jar in jars.pinned():
        if jar.file in (SMALL, BIGGER):
            place = folder / jar.group.replace(".", "/") / jar.artifact / jar.version
            place.mkdir(parents=True)
            (place / jar.file).write_bytes((filled_cache / f"kafka-{jars.KAFKA_VERSION}" / jar.file).read_bytes())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\nlocal = http://127.0.0.1:{server.server_port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    fetch.repositories.cache_clear()
    yield folder
    server.shutdown()
    server.server_close()
    thread.join()
    fetch.repositories.cache_clear()


@pytest.fixture
def behind_tls(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve the repository over TLS, by a certificate of an authority that only this test knows; return the authority's file."""
    authority, file = trustme.CA(), tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(repository)))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\nlocal = https://127.0.0.1:{server.server_port}\n")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    fetch.repositories.cache_clear()
    yield file
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_certificate_of_the_facility_s_authority_is_trusted_where_the_system_s_store_has_it(
    copied_jars: Path, behind_tls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied_jars / SMALL).unlink()
    monkeypatch.setenv("SSL_CERT_FILE", str(behind_tls))  # as if it were the system's store

    assert complete(copied_jars).fetched == 1


def test_a_certificate_of_an_unknown_authority_is_refused(copied_jars: Path, behind_tls: Path) -> None:
    (copied_jars / SMALL).unlink()

    with pytest.raises(FetchError, match="CERTIFICATE_VERIFY_FAILED"):
        complete(copied_jars)


def complete(folder: Path) -> fetch.Fetched:
    return fetch.complete(folder, jars.not_marked(str(folder), jars.pinned()), lambda _size: None)


def is_whole(folder: Path, name: str) -> bool:
    return fetch.is_whole(folder / name, next(jar for jar in jars.pinned() if jar.file == name))


def rewrite(path: Path, data: bytes) -> None:
    path.unlink()  # it may be a link to the user's own
    path.write_bytes(data)


def test_a_half_downloaded_and_a_corrupted_jar_are_found_and_fetched_anew(copied_jars: Path, repository: Path) -> None:
    whole = (copied_jars / SMALL).read_bytes()
    rewrite(copied_jars / SMALL, whole[: len(whole) // 2])
    damaged = bytearray((copied_jars / BIGGER).read_bytes())
    damaged[5000] ^= 1
    rewrite(copied_jars / BIGGER, bytes(damaged))

    done = complete(copied_jars)

    assert (done.fetched, done.checked) == (2, 0)
    assert is_whole(copied_jars, SMALL)
    assert is_whole(copied_jars, BIGGER)
    assert jars.not_marked(str(copied_jars), jars.pinned()) == []
    assert not list(copied_jars.glob("incoming-*"))


def test_a_cache_that_was_copied_without_its_times_is_hashed_and_not_fetched(copied_jars: Path) -> None:
    data = (copied_jars / SMALL).read_bytes()
    rewrite(copied_jars / SMALL, data)

    done = complete(copied_jars)

    assert (done.fetched, done.checked) == (0, 1)


def test_a_repository_with_other_content_is_refused_by_the_pinned_sha256(copied_jars: Path, repository: Path) -> None:
    (copied_jars / SMALL).unlink()
    (served,) = repository.rglob(SMALL)
    served.write_bytes(bytes(len(served.read_bytes())))

    with pytest.raises(FetchError, match=rf"{SMALL}.*not the jar of the pinned list"):
        complete(copied_jars)

    assert not (copied_jars / SMALL).exists()


def test_a_fault_that_left_size_and_time_alone_is_found_by_verify(
    copied_jars: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = bytearray((copied_jars / SMALL).read_bytes())
    damaged[100] ^= 1
    rewrite(copied_jars / SMALL, bytes(damaged))
    os.utime(copied_jars / SMALL, (jars.VERIFIED_S, jars.VERIFIED_S))
    Path(user_cache().aot).write_text("no training in this test")

    run_program(tmp_path, "--only-prepare")
    assert not is_whole(copied_jars, SMALL)
    done = run_fetch("--verify")

    assert is_whole(copied_jars, SMALL)
    assert "45 jars found whole, 1 fetched" in done.stderr


def test_without_network_and_cache_the_error_has_every_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "empty"
    monkeypatch.setenv("TESTBEAM_CACHE", str(cache))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    done = run_program(tmp_path, expect=3)

    assert "FetchError" in done.stderr
    for way in ("testbeam broker fetch", f"to {user_cache().jars}", "KAFKA_HOME", "--bootstrap HOST:PORT"):
        assert way in done.stderr
    assert "Traceback" not in done.stderr


def test_a_training_that_fails_says_why_and_leaves_nothing_running(copied_jars: Path, tmp_path: Path) -> None:
    from testbeam.kafka_distribution import installation

    found = installation.find(LaunchOptions(), user_cache())
    start_up = aot.AotCache(str(tmp_path / "aot" / "one.aot"))

    with pytest.raises(TestbeamError, match=r"(?s)exited with code 1 .*heap"):
        training.train(found, start_up, LaunchOptions(heap_mb=1))

    assert list((tmp_path / "aot").iterdir()) == []


def test_two_processes_that_prepare_at_once_wait_for_each_other(copied_jars: Path) -> None:
    from filelock import FileLock

    Path(user_cache().aot).write_text("no training in this test")
    lines = Lines()
    with FileLock(user_cache().lock):
        other = threading.Thread(target=prepare, args=(LaunchOptions(), lines))
        other.start()
        other.join(0.3)
        assert other.is_alive()
    other.join(60)

    assert not other.is_alive()
    assert "waiting for it" in lines.said[0]


def run_program(folder: Path, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "testbeam.services.broker", "--folder", str(folder / "run"), *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == expect, done.stderr
    return done


def run_fetch(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", "from testbeam.cli.main import main; main()", "broker", "fetch", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done
