import os
from pathlib import Path

import pytest

from testbeam.errors import SettingsError
from testbeam.kafka_distribution import aot, installation, jars, launch
from testbeam.kafka_distribution.aot import AotCache
from testbeam.kafka_distribution.cache import Cache, user_cache
from testbeam.kafka_distribution.in_place import everything_in_place
from testbeam.kafka_distribution.installation import Installation
from testbeam.kafka_distribution.options import LaunchOptions


@pytest.fixture
def java_home(tmp_path: Path) -> str:
    home = tmp_path / "java"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").touch()
    (home / "bin" / "java").chmod(0o755)
    (home / "release").write_text('JAVA_VERSION="25.0.2"\n')
    return str(home)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(str(tmp_path / "cache"))


def pinned(java_home: str, cache: Cache) -> Installation:
    return installation.find(LaunchOptions(java_home=java_home), cache, {})


def kafka_home(folder: Path) -> Path:
    (folder / "libs").mkdir(parents=True)
    for name in ("kafka_2.13-4.0.0.jar", "a.jar", "readme.txt"):
        (folder / "libs" / name).touch()
    return folder


def test_the_command_line_is_java_with_cache_flags_class_path_and_the_configuration(java_home: str, cache: Cache, tmp_path: Path) -> None:
    found = pinned(java_home, cache)
    start_up = AotCache(str(tmp_path / "one.aot"))
    Path(start_up.path).touch()

    argv = launch.command(LaunchOptions(heap_mb=300), found, start_up, "/run/broker/server.properties")

    assert argv[0] == f"{java_home}/bin/java"
    assert argv[1] == f"-XX:AOTCache={start_up.path}"
    assert {"-Xmx300m", "-XX:+UseSerialGC", "-Djava.io.tmpdir=/run/broker/tmp"} <= set(argv)
    assert argv[argv.index("-cp") + 1].split(":")[0] == f"{cache.jars}/{jars.pinned()[0].file}"
    assert argv[-2:] == ["kafka.Kafka", "/run/broker/server.properties"]


def test_without_a_start_up_cache_the_broker_is_started_all_the_same(java_home: str, cache: Cache, tmp_path: Path) -> None:
    argv = launch.command(LaunchOptions(), pinned(java_home, cache), AotCache(str(tmp_path / "none.aot")), "/p")

    assert not any("AOTCache=" in word for word in argv)


def test_data_that_is_there_already_keeps_its_identity(tmp_path: Path) -> None:
    options = LaunchOptions(folder=str(tmp_path))
    launch.write_files(options)
    meta = tmp_path / "data" / "meta.properties"
    meta.write_text(meta.read_text() + "directory.id=kafkas-own\n")
    before = meta.read_text()

    launch.write_files(options)

    assert meta.read_text() == before


def test_a_start_up_cache_fits_one_java_and_the_same_jars_in_the_same_order(java_home: str, cache: Cache) -> None:
    Path(cache.jars).mkdir(parents=True)
    found = pinned(java_home, cache)
    names = {aot.name(found)}

    found.class_path.reverse()
    names.add(aot.name(found))
    found.class_path.reverse()
    Path(found.class_path[0]).write_bytes(b"another jar")
    names.add(aot.name(found))
    found.java.release += "IMPLEMENTOR=another\n"
    names.add(aot.name(found))

    assert len(names) == 4


def test_an_old_java_has_no_start_up_cache(java_home: str, cache: Cache) -> None:
    Path(java_home, "release").write_text('JAVA_VERSION="21.0.1"\n')

    assert aot.of(pinned(java_home, cache), cache) is None


def test_a_failed_training_is_remembered_with_its_reason_until_it_is_forgotten(tmp_path: Path) -> None:
    start_up = AotCache(str(tmp_path / "aot" / "one.aot"))
    start_up.fail("no space left")

    again = AotCache(start_up.path)
    assert (again.is_there, again.is_settled, again.failure) == (False, True, "no space left")
    again.forget()
    assert (again.is_settled, again.failure) == (False, "")


def test_everything_is_in_place_only_with_all_jars_and_a_settled_start_up_cache(java_home: str, tmp_path: Path) -> None:
    options = LaunchOptions(java_home=java_home, cache_folder=str(tmp_path))
    cache = user_cache(options.cache_folder)
    assert everything_in_place(options) is None

    Path(cache.jars).mkdir(parents=True)
    for jar in jars.pinned():
        path = Path(cache.jars, jar.file)
        path.touch()
        os.truncate(path, jar.size)
        os.utime(path, (jars.VERIFIED_S, jars.VERIFIED_S))
    assert everything_in_place(options) is None

    start_up = aot.of(pinned(java_home, cache), cache)
    assert start_up is not None
    start_up.fail("a reason")
    assert everything_in_place(options) is not None


def test_kafka_home_is_run_with_all_its_jars_on_the_java_of_java_home(java_home: str, cache: Cache, tmp_path: Path) -> None:
    home = kafka_home(tmp_path / "kafka")

    found = installation.find(LaunchOptions(), cache, {"KAFKA_HOME": str(home), "JAVA_HOME": java_home})

    assert found.java.home == java_home
    assert found.class_path == [f"{home}/libs/a.jar", f"{home}/libs/kafka_2.13-4.0.0.jar"]
    assert (found.is_pinned, found.missing) == (False, [])


def test_a_kafka_home_without_kafka_in_it_is_an_error_that_names_the_folder(cache: Cache, java_home: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"KAFKA_HOME.*{tmp_path}.*libs"):
        installation.find(LaunchOptions(kafka_home=str(tmp_path), java_home=java_home), cache, {})


def test_java_home_is_not_taken_where_there_is_no_kafka_home(java_home: str, cache: Cache) -> None:
    found = installation.find(LaunchOptions(), cache, {"JAVA_HOME": java_home})

    assert found.java.home != java_home
