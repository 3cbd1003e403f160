import os
from pathlib import Path

from testbeam.kafka_distribution import jars
from testbeam.kafka_distribution.fetch import complete, is_whole
from testbeam.kafka_distribution.jars import VERIFIED_S, Jar

HELLO_SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def hello(file: str = "hello-1.jar") -> Jar:
    return Jar(f"org.example\thello\t1\t{file}\t5\t{HELLO_SHA256}")


def put(folder: Path, text: str = "hello", file: str = "hello-1.jar", time_s: int = VERIFIED_S) -> Path:
    path = folder / file
    path.write_text(text)
    os.utime(path, (time_s, time_s))
    return path


def test_the_pinned_list_is_the_46_jars_of_one_kafka() -> None:
    pinned = jars.pinned()

    assert len(pinned) == len({jar.file for jar in pinned}) == 46
    assert sum(jar.size for jar in pinned) == 45_054_826
    assert {jar.version for jar in pinned if jar.group == "org.apache.kafka"} == {jars.KAFKA_VERSION}
    assert all(len(bytes.fromhex(jar.sha256)) == 32 and jar.file == f"{jar.artifact}-{jar.version}.jar" for jar in pinned)


def test_the_class_path_keeps_the_order_of_the_list_and_leaves_out_what_would_only_cost_time() -> None:
    pinned = jars.pinned()

    path = jars.class_path("/cache", pinned)

    assert path == [f"/cache/{jar.file}" for jar in pinned if jar.artifact != "log4j-core"]


def test_a_jar_that_was_checked_is_believed_by_its_size_and_time(tmp_path: Path) -> None:
    put(tmp_path)

    assert jars.not_marked(str(tmp_path), [hello()]) == []


def test_a_missing_a_half_written_and_a_changed_jar_are_not_believed(tmp_path: Path) -> None:
    half, changed, missing = hello("half.jar"), hello("changed.jar"), hello("missing.jar")
    put(tmp_path, "hel", "half.jar")
    put(tmp_path, "hallo", "changed.jar", time_s=VERIFIED_S + 60)

    assert jars.not_marked(str(tmp_path), [half, changed, missing]) == [half, changed, missing]


def test_a_folder_that_is_not_there_has_no_jars(tmp_path: Path) -> None:
    assert jars.listing(str(tmp_path / "none")) == []


def test_a_whole_jar_without_the_mark_is_hashed_once_and_then_believed(tmp_path: Path) -> None:
    put(tmp_path, time_s=VERIFIED_S + 60)
    told: list[int] = []

    done = complete(tmp_path, [hello()], told.append)

    assert (done.checked, done.fetched, told) == (1, 0, [5])
    assert jars.not_marked(str(tmp_path), [hello()]) == []


def test_one_changed_byte_is_found_by_the_hash(tmp_path: Path) -> None:
    assert is_whole(put(tmp_path), hello())
    assert not is_whole(put(tmp_path, "hallo"), hello())
    assert not is_whole(put(tmp_path, "hello "), hello())
    assert not is_whole(tmp_path / "none.jar", hello())
