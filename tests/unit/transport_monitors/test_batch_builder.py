from testbeam.model.samples import ConnectionState, Severity
from testbeam.model.updates import Form, ValueColumns
from testbeam.transport.monitors.batch_builder import BatchBuilder
from testbeam.transport.pva.name_servers import addresses


def test_rows_of_one_kind_share_their_columns() -> None:
    builder = BatchBuilder()
    for stream, value, form, dtype in ((1, 1.5, Form.SCALAR, "f8"), (2, 3, Form.ENUM, "i4"), (3, 2.5, Form.SCALAR, "f8")):
        for column, item in zip(builder.rows(form, dtype), (stream, value, 7), strict=True):
            column.append(item)

    batch = builder.take()

    assert [(c.form, c.dtype, list(c.rows())) for c in batch.values] == [
        (Form.SCALAR, "f8", [(1, 1.5, 7), (3, 2.5, 7)]),
        (Form.ENUM, "i4", [(2, 3, 7)]),
    ]


def test_taking_starts_anew_and_leaves_what_was_taken_alone() -> None:
    builder = BatchBuilder()
    builder.rows(Form.SCALAR, "f8")[0].append(1)
    builder.connection(1, 7, ConnectionState.CONNECTED)
    builder.problems.append((1, "text"))
    builder.dropped = 2
    first = builder.take()
    builder.connection(2, 8, ConnectionState.DISCONNECTED)

    assert (list(first.connections.stream), first.dropped, list(first.problems)) == ([1], 2, [(1, "text")])
    second = builder.take()
    assert (list(second.connections.stream), second.dropped, list(second.problems), len(second)) == ([2], 0, [], 0)


def test_columns_that_a_client_has_already_come_first() -> None:
    own = ValueColumns(form=Form.SCALAR, dtype="i4", stream=[1], value=[2], timestamp_ns=[3])

    assert BatchBuilder().take((own,)).values == (own,)


def test_a_severity_that_al00_has_no_word_for_is_invalid() -> None:
    builder = BatchBuilder()
    for severity in (0, 3, 4, -1):
        builder.alarm(1, 7, severity, "")

    assert list(builder.take().alarms.severity) == [Severity.OK, Severity.INVALID, Severity.INVALID, Severity.INVALID]


def test_name_servers_are_hosts_with_a_port_or_the_default_one() -> None:
    assert addresses("127.0.5.3:5075  10.1.1.1 127.0.5.3") == (("127.0.5.3", 5075), ("10.1.1.1", 5075))
    assert addresses("") == ()
    assert addresses("host:port :5075") == ()
