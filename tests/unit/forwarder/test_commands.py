import pytest

from testbeam.model.forwarding import ConfigChange, Protocol, StreamSpec
from testbeam.services.forwarder.command_rules import Change, change
from tests.unit.forwarder.forwarding import Forwarding, command, spec

SCHEMAS = ("f144",)
ADD, REMOVE, REMOVEALL, REPLACE = ConfigChange


def changed(current: list[StreamSpec], what: ConfigChange, *streams: StreamSpec) -> Change:
    return change(current, command(what, *streams), SCHEMAS)


def pattern(channel: str = "", topic: str = "", schema: str = "") -> StreamSpec:
    return StreamSpec(channel=channel, topic=topic, schema=schema)


def test_what_is_added_twice_is_there_once() -> None:
    assert changed([], ADD, spec("A"), spec("A")).added == (spec("A"),)
    assert changed([spec("A")], ADD, spec("A")) == Change()


def test_one_pv_on_two_protocols_is_two_streams() -> None:
    both = (spec("A", protocol=Protocol.PVA), spec("A", protocol=Protocol.CA))

    assert changed([], ADD, *both).added == both


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (pattern("", "data", "f144"), "no channel"),
        (pattern("A", "", "f144"), "no topic"),
        (pattern("A", "data", ""), "no schema"),
        (pattern("", "", "f144"), "no channel and no topic"),
        (pattern("A", "data", "zz99"), "'zz99' can't be sent; known are f144"),
        (pattern("A\0B", "data", "f144"), "can't be the name of a PV"),
        (pattern("A" * 501, "data", "f144"), "can't be the name of a PV"),
        (pattern("A", "da ta", "f144"), "'da ta' can't be the name of a topic"),
        (pattern("A", "d" * 250, "f144"), "can't be the name of a topic"),
    ],
)
def test_a_bad_stream_is_refused_by_itself_and_those_after_it_are_kept(bad: StreamSpec, reason: str) -> None:
    result = changed([], ADD, spec("A"), bad, spec("B"))

    assert result.added == (spec("A"), spec("B"))
    assert [(refused, reason in why) for refused, why in result.refused] == [(bad, True)]


CURRENT = [spec("TB:VOLT"), spec("TB:CURR"), spec("TB:VOLT", topic="other"), spec("X:VOLT", topic="other_2")]


@pytest.mark.parametrize(
    ("wanted", "gone"),
    [
        (pattern("TB:VOLT"), [0, 2]),
        (pattern(topic="data"), [0, 1]),
        (pattern(schema="f144"), [0, 1, 2, 3]),
        (pattern("TB:VOLT", "data"), [0]),
        (pattern("TB:VOLT", schema="f144"), [0, 2]),
        (pattern(topic="other", schema="f144"), [2]),
        (pattern("TB:*"), [0, 1, 2]),
        (pattern("?B:VOLT", "oth*"), [2]),
        (pattern(topic="other*"), [2, 3]),
        (pattern("TB:VOLT", "data", "f142"), []),
        (pattern(schema="f14?"), []),  # a schema is exact
        (pattern("tb:volt"), []),
        (pattern("NOBODY"), []),
    ],
)
def test_remove_takes_away_what_matches_in_every_field_given(wanted: StreamSpec, gone: list[int]) -> None:
    assert changed(CURRENT, REMOVE, wanted).removed == tuple(CURRENT[i] for i in gone)


def test_a_remove_that_names_nothing_is_refused() -> None:
    result = changed(CURRENT, REMOVE, pattern())

    assert result.removed == ()
    assert "REMOVEALL" in result.refused[0][1]


def test_many_names_are_removed_at_once_and_patterns_beyond_reason_are_refused_by_themselves() -> None:
    names = [spec(f"TB:{n}") for n in range(20_000)]

    assert changed(names, REMOVE, *(pattern(one.channel) for one in names)).removed == tuple(names)

    wild = [pattern(f"NONE:{n}*") for n in range(100)]
    result = changed(CURRENT, REMOVE, *wild, pattern("TB:V*"), pattern("*" * 1_001), pattern("TB:VOLT"))
    assert result.removed == (CURRENT[0], CURRENT[2])  # by its name
    assert ["more than 100 patterns" in why or "longer than any name" in why for _, why in result.refused] == [True, True]


def test_remove_all_takes_away_all() -> None:
    assert changed(CURRENT, REMOVEALL).removed == tuple(CURRENT)


def test_replace_is_the_difference() -> None:
    result = changed([spec("A"), spec("B")], REPLACE, spec("B"), spec("C"))

    assert result == Change(added=(spec("C"),), removed=(spec("A"),))


def test_replace_by_nothing_takes_away_all_but_by_bad_streams_alone_nothing() -> None:
    assert changed([spec("A")], REPLACE).removed == (spec("A"),)
    assert changed([spec("A")], REPLACE, pattern("B")).removed == ()


def test_numbers_are_never_used_twice() -> None:
    forwarding = Forwarding()
    first = forwarding.add(spec("A"), spec("B"))
    forwarding.do(REMOVEALL)

    assert not set(first) & set(forwarding.add(spec("A"), spec("B")))


def test_a_stream_whose_periodic_alone_changes_goes_on_under_its_number() -> None:
    forwarding = Forwarding(period_ms=100)
    (number,) = forwarding.add(spec("A", periodic=1))

    applied = forwarding.do(REPLACE, spec("A", periodic=0))

    assert (applied.added, applied.removed) == ((), ())
    assert forwarding.streams.specs == (spec("A", periodic=0),)
    assert forwarding.streams.by_number[number].repeats is False


def test_a_stream_whose_repeats_begin_is_subscribed_anew_as_they_need_its_value() -> None:
    forwarding = Forwarding(period_ms=100)
    (number,) = forwarding.add(spec("A", periodic=0))

    applied = forwarding.do(REPLACE, spec("A", periodic=1))

    assert applied.removed == ((number, spec("A", periodic=0)),)
    assert [spec for _, spec in applied.added] == [spec("A", periodic=1)]
