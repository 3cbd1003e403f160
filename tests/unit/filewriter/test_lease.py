"""Leases: who holds which job, and when another writer may take it up."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.services.filewriter.lease import Lease, LeaseTable, decode_lease, inline


def lease(owner: str = "a", epoch: int = 1, lease_id: str = "l", **more: object) -> Lease:
    given: dict[str, object] = {
        "lease_id": lease_id,
        "job_id": "job",
        "epoch": epoch,
        "owner": owner,
        "service_ids": (owner,),
        "file": "a.nxs",
        "start_ms": 1_000,
        "stop_ms": 0,
        "taken_ms": 1_000,
        "sent_ms": 900,
        "interval_ms": 2_000,
    }
    return Lease(**(given | more))  # type: ignore[arg-type]


def table(*records: Lease, now_s: float = 0.0) -> LeaseTable:
    made = LeaseTable()
    for record in records:
        made.observe(record, now_s)
    return made


def test_a_record_is_read_as_it_was_written() -> None:
    there = lease(command=("pool", 0, 7), control={"0": 5}, answered=True, inline=inline(b"\0pl72"), stop_ms=2**64 - 1)

    assert decode_lease(there.encode()) == there
    assert there.command_bytes() == b"\0pl72"


@pytest.mark.parametrize("record", [None, b"", b"null", b"[]", b"{}", b'{"lease_id": 1}'])
def test_a_record_that_is_no_lease_is_left_out(record: bytes | None) -> None:
    assert decode_lease(record) is None


@pytest.mark.parametrize(
    "more",
    [
        {"epoch": "1"},
        {"interval_ms": 10**400},
        {"taken_ms": 1.5},
        {"nonce": None},
        {"service_ids": [1]},
        {"control": [0]},
        {"control": {"0": "5"}},
        {"command": ["pool", 0]},
        {"command": [1, 0, 7]},
    ],
)
def test_a_record_with_a_word_of_another_kind_is_left_out(more: dict[str, Any]) -> None:
    there = json.loads(lease(control={"0": 5}).encode())

    assert decode_lease(json.dumps(there | more).encode()) is None


def test_a_file_that_another_job_writes_is_known_however_it_is_spelled() -> None:
    mine = lease(file="/x/../a.nxs")

    assert table(mine, lease("b", lease_id="other", answered=True)).has_file_of_another(mine)
    assert not table(mine, lease("b", lease_id="other")).has_file_of_another(mine)
    assert not table(mine, lease("b", lease_id="other", answered=True, released=True)).has_file_of_another(mine)
    assert not table(replace(mine, answered=True)).has_file_of_another(mine)


def test_a_lease_expires_when_it_is_not_renewed_for_the_interval_and_a_grace() -> None:
    leases = table(lease())

    assert list(leases.expired(4.0)) == []
    assert list(leases.expired(4.1)) == [lease()]
    leases.observe(lease(nonce=1), 4.0)
    assert list(leases.expired(8.0)) == []


def test_an_old_record_is_not_waited_for_anew_but_two_renewals_are() -> None:
    leases = LeaseTable()
    leases.observe(lease(), 100.0, age_s=3_600)

    assert list(leases.expired(102.0)) == []
    assert list(leases.expired(102.1)) == [lease()]


def test_the_first_claim_of_the_next_epoch_has_the_lease() -> None:
    first, second = lease().claimed_by("b"), lease().claimed_by("c")
    leases = table(lease(), first, second)

    assert leases.is_owner(first)
    assert leases.is_lost(second)
    assert leases.is_lost(lease())
    assert (first.epoch, first.service_ids) == (2, ("a", "b"))


def test_a_paused_writer_that_renews_changes_nothing() -> None:
    claimed = lease().claimed_by("b")
    leases = table(lease(), claimed)
    leases.observe(lease(nonce=9), 10.0)

    assert leases.is_owner(claimed)
    assert [found.owner for found in leases.expired(4.1)] == ["b"]


def test_a_released_lease_is_never_held_again() -> None:
    leases = table(lease(), lease().release(), lease(nonce=5), lease().claimed_by("b"))

    assert list(leases.expired(1e9)) == []


def test_a_start_command_that_somebody_took_is_known_also_when_the_job_is_over() -> None:
    place = ("pool", 0, 7)
    held, over = lease(command=place), lease(command=place).release()

    assert table(held).has_command(place)
    assert table(held, over).has_command(place)
    assert not table(held).has_command(("pool", 0, 8))


def test_a_record_is_seen_once_it_or_a_later_one_was_read() -> None:
    leases = table(lease(nonce=3))

    assert leases.has_seen(lease(nonce=3))
    assert not leases.has_seen(lease(nonce=4))
    assert not leases.has_seen(lease().claimed_by("b"))
    leases.observe(lease().claimed_by("c"), 0)
    assert leases.has_seen(lease().claimed_by("b"))  # and lost


records = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.booleans()).map(lambda r: replace(lease(r[0], r[1]), released=r[2])),
    max_size=20,
)


@given(records)
def test_all_who_read_the_same_records_agree_and_the_owner_of_an_epoch_never_changes(sent: list[Lease]) -> None:
    one, other = LeaseTable(), LeaseTable()
    owners: dict[int, str] = {}
    for number, record in enumerate(sent):
        one.observe(record, number)
        other.observe(record, 1_000.0 * number, age_s=5)
        for candidate in sent:
            assert one.is_owner(candidate) == other.is_owner(candidate)
            if one.is_owner(candidate):
                assert owners.setdefault(candidate.epoch, candidate.owner) == candidate.owner
