"""Whether the audit turns red for one dropped, one doubled, one altered value, whichever it is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbeam.audit.core import AuditResult, Kind, compare, expected
from testbeam.audit.summary import report
from testbeam.model.samples import ConnectionState, Severity
from tests.unit.audit.by_hand import COLUMNS, PLACES, Sent, alarm, connection, events, image, job, log, messages, opened, write

LOGS = [(path, schema) for path, schema, *_ in PLACES if schema != "ev44"]
STREAMS = [path for path, schema, *_ in PLACES if schema == "ev44"]
SENT: list[Sent] = [
    (0, log(900, 0.5)),
    *((i % 2, log(1_100 + 10 * i, i * 1.25, source="VOLT" if i % 2 else "LEFT_OUT")) for i in range(10)),
    *((0, log(1_100 + 10 * i, i + 3, "TEMP", np.int16)) for i in range(5)),
    *((1, log(1_100 + 10 * i, [i, i, i + 1], "TRACE", np.float32)) for i in range(5)),
    *((0, alarm(1_100 + 10 * i, f"a{i}", Severity(i % 3), source)) for i in range(4) for source in ("VOLT", "TRACE")),
    *((0, connection(1_100 + 10 * i, ConnectionState(i + 1), source)) for i in range(4) for source in ("VOLT", "TRACE")),
    *((0, events(1_100 + 10 * i, (i + 1, i + 2, i + 3))) for i in range(4)),
    (0, events([1_150, 1_160, 1_170], (5, 6, 7, 8), index=(0, 0, 3))),
    *((1, events(1_100 + 10 * i, None, "monitor", n=i)) for i in range(4)),
    (0, log(2_100)),
]


EXPECTED = expected(job(), messages(SENT))
IMAGE = image(SENT)  # a file with all that was sent; each test opens it anew, to change it


def audit(file: h5py.File, sent: list[Sent] | None = None) -> AuditResult:
    return compare(EXPECTED if sent is None else expected(job(), messages(sent)), file)


def columns(schema: str, group: h5py.Group) -> list[str]:
    return [name for name in COLUMNS[schema] if name in group and len(group[name])]


def drop(dataset: h5py.Dataset, first: int, last: int) -> None:
    kept = np.delete(dataset[:], np.s_[first:last], axis=0)
    dataset.resize(len(kept), 0)
    dataset[:] = kept


def double(dataset: h5py.Dataset, first: int, last: int) -> None:
    data = dataset[:]
    longer = np.concatenate((data[:last], data[first:]))
    dataset.resize(len(longer), 0)
    dataset[:] = longer


def alter(dataset: h5py.Dataset, row: int, bit: int = 0) -> None:
    data = dataset[:]
    cell = np.ascontiguousarray(data[row : row + 1]).reshape(-1)[:1]
    if cell.dtype.kind == "S":
        cell[0] = cell[0] + b"!"
    else:
        cell.view(np.uint8)[bit // 8 % cell.itemsize] ^= np.uint8(1 << bit % 8)
    data[row : row + 1].reshape(-1)[:1] = cell
    dataset[:] = data


def pulse_events(group: h5py.Group, pulse: int) -> tuple[int, int]:
    bounds = [*group["event_index"][:].tolist(), len(group["event_time_offset"])]
    return bounds[pulse], bounds[pulse + 1]


def each_value() -> list[Any]:
    with opened(IMAGE) as file:
        return [
            pytest.param(f"{path}/{name}", row, id=f"{path}/{name}[{row}]")
            for path, schema, *_ in PLACES
            for name in [*columns(schema, file[path]), "cue_index", "cue_timestamp_zero"]
            if name in file[path]
            for row in range(len(file[path][name]))
        ]


def test_the_file_is_clean_before_it_is_mutated() -> None:
    with opened(IMAGE) as file:
        assert audit(file).ok


@pytest.mark.parametrize(("path", "row"), each_value())
def test_any_altered_value_turns_the_audit_red(path: str, row: int) -> None:
    with opened(IMAGE) as file:
        alter(file[path], row)
        result = audit(file)

    assert not result.ok
    assert result.findings[0].path.startswith(path.rsplit("/", 1)[0])


@pytest.mark.parametrize(("path", "row"), each_value())
def test_any_value_lost_from_one_dataset_alone_turns_the_audit_red(path: str, row: int) -> None:
    with opened(IMAGE) as file:
        drop(file[path], row, row + 1)
        assert not audit(file).ok


@pytest.mark.parametrize(("path", "schema"), LOGS)
@pytest.mark.parametrize(("mutate", "kind"), [(drop, Kind.MISSING), (double, Kind.DOUBLED)])
def test_any_dropped_or_doubled_row_is_counted_as_such(path: str, schema: str, mutate: Callable[..., None], kind: Kind) -> None:
    with opened(IMAGE) as file:
        rows = len(file[path][COLUMNS[schema][0]])
    for row in range(rows):
        with opened(IMAGE) as file:
            for name in columns(schema, file[path]):
                mutate(file[path][name], row, row + 1)
            result = audit(file)
        assert result.faults[kind] == 1
        assert result.faults.keys() <= {kind, Kind.INCONSISTENT}  # statistics and cue don't fit any more


@pytest.mark.parametrize("path", STREAMS)
@pytest.mark.parametrize(("mutate", "kind"), [(drop, Kind.MISSING), (double, Kind.DOUBLED)])
def test_any_dropped_or_doubled_pulse_is_counted_as_such(path: str, mutate: Callable[..., None], kind: Kind) -> None:
    with opened(IMAGE) as file:
        pulses = len(file[path]["event_index"])
    for pulse in range(pulses):
        with opened(IMAGE) as file:
            group = file[path]
            first, last = pulse_events(group, pulse)
            for name in ("event_time_offset", "event_id"):
                if len(group[name]):
                    mutate(group[name], first, last)
            for name in ("event_time_zero", "event_index"):
                mutate(group[name], pulse, pulse + 1)
            moved = last - first if mutate is double else first - last
            group["event_index"][pulse + (mutate is double) :] = group["event_index"][pulse + (mutate is double) :] + moved
            result = audit(file)
        assert result.faults == {kind: 1}


def test_an_altered_value_is_named_with_its_place_on_kafka_and_in_the_file() -> None:
    with opened(IMAGE) as file:
        file["/entry/voltage/value"][2] = 99
        result = audit(file)

    (finding, *_rest) = result.findings
    assert (result.altered, result.missing, result.doubled) == (1, 0, 0)
    assert (finding.kind, finding.path, finding.row) == (Kind.ALTERED, "/entry/voltage/value", 2)
    assert (finding.topic, finding.partition, finding.source, finding.time_ns) == ("motion", 1, "VOLT", 1_130_000_000)
    assert "99" in str(finding)


def test_an_altered_event_is_shown_beside_the_message_that_is_read_again() -> None:
    sent = messages(SENT)
    by_place = {(m.topic, m.partition, m.offset): m.payload or b"" for m in sent}
    with opened(IMAGE) as file:
        file["/entry/panel_events/event_id"][13] = 77
        result = compare(expected(job(), sent), file, lambda *place: by_place[place])

    (finding,) = result.findings
    assert (finding.path, finding.row) == ("/entry/panel_events/event_id", 13)
    assert "there it is 77, sent was 6 (event 1 of its pulse)" in finding.detail


def test_a_value_with_another_time_is_altered_not_missing() -> None:
    with opened(IMAGE) as file:
        file["/entry/temperature/time"][1] = 1_111_000_000
        result = audit(file)

    assert (result.altered, result.missing, result.unexpected) == (1, 0, 0)


def test_two_rows_that_changed_places_are_misplaced() -> None:
    with opened(IMAGE) as file:
        for name in ("connection_status", "connection_status_time"):
            data = file["/entry/trace"][name][:]
            file["/entry/trace"][name][:] = data[[1, 0, 2, 3]]
        result = audit(file)

    assert result.faults == {"misplaced": 1}


def test_a_row_that_no_message_explains_is_unexpected() -> None:
    with write([*SENT, (0, alarm(1_999, "who said this?"))]) as file:
        result = audit(file)

    assert result.faults == {"unexpected": 1}


def test_a_message_from_outside_the_window_that_was_written_is_unexpected() -> None:
    with write([*SENT, (0, events(1_990, (3,)))]) as file:
        file["/entry/panel_events/event_time_zero"][-1] = 2_100_000_000
        result = audit(file, [*SENT, (0, events(2_100, (3,)))])

    assert result.faults == {"unexpected": 1}


@pytest.mark.parametrize("writer_drops", [log(1_110, 1.25), alarm(1_110, "a1", Severity(1)), events(1_110, (2, 3, 4))])
def test_a_writer_that_drops_one_message_is_found_out(writer_drops: Any) -> None:
    def same(value: Any) -> bool:
        return type(value) is type(writer_drops) and str(value) == str(writer_drops)

    kept = [(partition, value) for partition, value in SENT if not same(value)]
    assert len(kept) == len(SENT) - 1
    with write(kept) as file:
        result = audit(file)

    assert (result.missing, result.altered, result.doubled, result.written) == (1, 0, 0, result.expected - 1)


def test_a_missing_group_or_dataset_or_one_of_another_type_is_inconsistent() -> None:
    for path in ("/entry/voltage", "/entry/voltage/value", "/entry/panel_events/event_id", "/entry/voltage/average_value"):
        with opened(IMAGE) as file:
            del file[path]
            assert audit(file).inconsistent
    with opened(IMAGE) as file:
        values = file["/entry/voltage/value"][:]
        del file["/entry/voltage/value"]
        file["/entry/voltage/value"] = values.astype(np.float32)
        assert "its type is float32, not float64" in str(audit(file).findings)


@pytest.mark.parametrize("name", ["minimum_value", "maximum_value", "average_value"])
def test_a_wrong_statistic_is_inconsistent(name: str) -> None:
    with opened(IMAGE) as file:
        file[f"/entry/voltage/{name}"][()] += 0.001
        assert audit(file).faults == {"inconsistent": 1}


def test_only_the_first_findings_of_each_kind_are_kept_but_all_are_counted() -> None:
    sent: list[Sent] = [(0, log(1_100 + i, i)) for i in range(100)]
    with write([]) as file:
        result = audit(file, sent)

    assert (result.missing, len(result.findings)) == (100, 20)


MUTATIONS: list[Callable[..., None]] = [alter, drop, double]
ROWS = st.lists(st.tuples(st.integers(11, 19), st.integers(0, 3)), min_size=1, max_size=30)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(ROWS, st.data())
def test_any_mutation_of_any_random_stream_is_found(rows: list[tuple[int, int]], data: st.DataObject) -> None:
    make: list[Callable[[int, int], Any]] = [
        lambda t, i: log(t * 100 + i, i, "TEMP", np.int8),
        lambda t, i: log(t * 100 + i, [t, i, 0], "TRACE"),
        lambda t, i: alarm(t * 100 + i, str(i)),
        lambda t, i: events(t * 100 + i, range(i), index=(0,)),
    ]
    sent: list[Sent] = [(0, make[kind](t, i)) for i, (t, kind) in enumerate(rows)]
    with write(sent) as file:
        assert audit(file, sent).ok
        filled = [(path, schema) for path, schema, *_ in PLACES if len(file[path][COLUMNS[schema][0]])]
        path, schema = data.draw(st.sampled_from(filled))
        name = data.draw(st.sampled_from(columns(schema, file[path])))
        row = data.draw(st.integers(0, len(file[path][name]) - 1))
        mutate = data.draw(st.sampled_from(MUTATIONS))
        mutate(file[path][name], row, data.draw(st.integers(0, 63)) if mutate is alter else row + 1)

        assert not audit(file, sent).ok


def test_a_job_that_ended_with_an_error_is_not_clean() -> None:
    failed = replace(job(), error="disk full")
    with opened(IMAGE) as file:
        result = compare(expected(failed, messages(SENT)), file, name="a.nxs")

    assert result.faults == {"failed": 1}
    assert "audit NOT CLEAN: 1 failed" in report(result)
    assert "failed: a.nxs: the file-writer: it ended the job with an error: disk full" in report(result)
