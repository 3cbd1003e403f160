import os

import platformdirs
import pytest

from testbeam.kafka_distribution.cache import user_cache
from testbeam.kafka_distribution.fetch import ways_out


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
    from pathlib import Path

    text = str(ways_out(Path("/cache/kafka"), "a.jar: no route to host", 12, 46))

    assert "a.jar: no route to host" in text
    assert "12 of 46 jars are in /cache/kafka" in text
    for way in ("testbeam broker fetch", "copy its cache folder to /cache/kafka", "KAFKA_HOME", "--bootstrap HOST:PORT", "HTTPS_PROXY"):
        assert way in text
