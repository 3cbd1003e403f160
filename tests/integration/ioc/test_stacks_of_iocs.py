from itertools import pairwise
from pathlib import Path

import pytest

from testbeam.errors import TransportError
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.ioc.declaration import IocHandle, ioc


def of(run: Run, name: str) -> IocHandle:
    handle = run[name]
    assert isinstance(handle, IocHandle)
    return handle


def test_eight_iocs_with_the_same_names_run_side_by_side() -> None:
    names = [f"ioc{number}" for number in range(8)]
    with Stack(*(ioc(name=name) for name in names)).run() as run:
        for number, name in enumerate(names):
            of(run, name).pv("VOLT", "ca").put(number)

        assert [of(run, name).pv("VOLT-RB", "ca").get() for name in names] == list(range(8))
        assert [of(run, name).pv("VOLT-RB", "pva").get() for name in names] == list(range(8))
        assert len({of(run, name).address for name in names}) == 8


def test_after_a_restart_the_records_are_new_and_the_same_handles_reach_them() -> None:
    with Stack(ioc()).run() as run:
        handles = [of(run, "ioc").pv("VOLT", "ca"), of(run, "ioc").pv("VOLT", "pva")]
        handles[0].put(42)
        assert handles[1].get() == 42

        run["ioc"].restart()

        assert [handle.expect(0, within_s=60).value for handle in handles] == [0, 0]


def test_a_killed_ioc_is_missed_by_address_and_answers_again_after_its_start() -> None:
    with Stack(ioc()).run() as run:
        volt = of(run, "ioc").pv("VOLT", "ca")
        run["ioc"].kill()
        with pytest.raises(TransportError, match=rf"VOLT.*no CA server answers at {run['ioc'].address}:5064 within 0\.2 s.*its log"):
            volt.get(within_s=0.2)
        run["ioc"].start()

        assert volt.get() == 0


def test_links_reach_the_records_of_a_peer(tmp_path: Path) -> None:
    (tmp_path / "follow.db").write_text('record(ai, "FOLLOW") { field(INP, "A:COUNT CP") }\n')
    follower = ioc(tmp_path / "follow.db", name="b", peers=("a",))
    with Stack(ioc(name="a", prefix="A:"), follower).run() as run:
        before = float(of(run, "a").pv("A:COUNT", "ca").text)

        assert of(run, "b").pv("FOLLOW", "ca").expect(before + 10, within_s=60).severity == 0


def test_files_have_macros_of_their_own_and_common_ones(tmp_path: Path) -> None:
    (tmp_path / "axis.db").write_text('record(ao, "$(P)$(N)") { field(VAL, "$(V)") field(PINI, "YES") }\n')
    axis = tmp_path / "axis.db"
    with Stack(ioc(f"{axis},N=X", f"{axis},N=Y,V=2", prefix="M:", macros={"V": "1"})).run() as run:
        assert set(of(run, "ioc").records) == {"M:X", "M:Y"}
        assert [of(run, "ioc").pv(name, "ca").get() for name in ("M:X", "M:Y")] == [1, 2]


def test_a_database_below_a_folder_of_any_name_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "a, b ${name} $(P) ü"
    folder.mkdir()
    (folder / "one.db").write_text('record(ao, "$(P)ONE") { field(VAL, "1") field(PINI, "YES") }\n')

    with Stack(ioc(folder / "one.db", prefix="M:")).run() as run:
        assert of(run, "ioc").pv("M:ONE", "ca").get() == 1


def test_any_number_of_counting_records_can_be_added() -> None:
    with Stack(ioc(prefix="C:", counting=200)).run() as run:
        counts = [float(reading.text) for reading in of(run, "ioc").pv("C:COUNT-199", "ca").updates(within_s=1)]

        assert of(run, "ioc").pv("C:VOLT", "ca").get() == 0
    assert len(counts) >= 8
    assert all(after - before == 1 for before, after in pairwise(counts))
