import errno
import os
from pathlib import Path

import platformdirs
import pytest

from testbeam.errors import SettingsError
from testbeam.kafka_distribution import certificates
from testbeam.kafka_distribution.cache import user_cache
from testbeam.kafka_distribution.fetch import not_written, ways_out


@pytest.mark.parametrize("given", [None, "", "/elsewhere/cache"])
def test_the_cache_is_where_platformdirs_has_it(monkeypatch: pytest.MonkeyPatch, given: str | None) -> None:
    monkeypatch.delenv("TESTBEAM_CACHE", raising=False)
    if given is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", given)

    assert user_cache().root == os.path.join(platformdirs.user_cache_dir("testbeam", appauthor=False), "broker")  # noqa: PTH118


def test_a_folder_that_is_named_wins_over_the_variable_and_that_over_the_users_own() -> None:
    assert user_cache("/option", {"TESTBEAM_CACHE": "/variable"}).root == "/option/broker"
    assert user_cache("", {"TESTBEAM_CACHE": "/variable", "XDG_CACHE_HOME": "/xdg"}).root == "/variable/broker"


def test_a_cache_that_can_not_be_filled_is_an_error_with_every_way_out() -> None:
    text = str(ways_out(Path("/cache/kafka"), "a.jar: no route to host", 12, 46))

    assert "a.jar: no route to host" in text
    assert "12 of 46 jars are in /cache/kafka" in text
    for way in ("testbeam broker fetch", "copy its cache folder to /cache/kafka", "KAFKA_HOME", "--bootstrap HOST:PORT", "HTTPS_PROXY"):
        assert way in text


def test_a_user_without_a_home_folder_is_told_which_variable_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as it does where neither HOME nor a passwd entry is there

    with pytest.raises(SettingsError, match=r"TESTBEAM_CACHE: .* this user has no home folder"):
        user_cache("", {})


def test_a_colon_in_the_path_is_refused_since_java_would_take_it_for_two() -> None:
    with pytest.raises(SettingsError, match=r"TESTBEAM_CACHE: '/a:b' .*class path"):
        user_cache("/a:b")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "it can't be written: Permission denied"),
        (OSError(errno.ENOSPC, "1 MB are free and 45 MB needed"), "there is no room in it (1 MB are free and 45 MB needed)"),
    ],
)
def test_a_cache_that_can_not_be_written_names_the_variable(error: OSError, why: str) -> None:
    text = str(not_written(Path("/home/me/.cache/testbeam"), error))

    assert f"/home/me/.cache/testbeam, and {why}; name another by TESTBEAM_CACHE=FOLDER" in text


def test_a_certificate_of_an_unknown_authority_names_the_variable_and_the_file_that_was_looked_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("CURL_CA_BUNDLE", "/my/authorities.pem")

    text = str(ways_out(Path("/cache"), "SSLError: [SSL: CERTIFICATE_VERIFY_FAILED] self-signed", 0, 46))

    assert "of no authority in /my/authorities.pem: name the file with yours, REQUESTS_CA_BUNDLE=FILE" in text


def test_downloads_trust_the_file_that_is_named_else_the_system_s_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store = tmp_path / "store.pem"
    store.touch()
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(store))

    with certificates.trusted():
        assert os.environ["REQUESTS_CA_BUNDLE"] == str(store)
    assert "REQUESTS_CA_BUNDLE" not in os.environ
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/mine")
    with certificates.trusted():
        assert os.environ["REQUESTS_CA_BUNDLE"] == "/mine"
