"""Data reach the file from a NeXus streamer: a file that was written before is sent again, and written once more."""

import h5py

from testbeam.kafkatools.nexus_stream import NexusStreamer
from testbeam.nexus.diff import differences
from testbeam.nexus.files import opened
from testbeam.suites.filewriter.jobs import Writing, alarm, events, log, now_ms


def test_what_is_streamed_from_a_file_gets_into_a_file_that_is_equal_to_it(writing: Writing) -> None:
    t = now_ms() - 20_000
    writing.send(*(log(t + i, i * 0.5) for i in range(50)), alarm(t + 7), *(events(t + i, range(i % 5)) for i in range(50)))
    writing.write(writing.speed(), writing.panel(), name="first", start_time_ms=t, stop_time_ms=t + 100)
    other = Writing(broker=writing.broker, writer=writing.writer, is_ours=writing.is_ours)
    copy = other.path("copy")
    copy.write_bytes(writing.path("first").read_bytes())
    with h5py.File(copy, "r+") as file:
        for name in ("speed", "panel"):
            file[f"entry/{name}"].attrs["topic"] = other.data.name

    assert NexusStreamer().send(writing.broker.kafka, copy) == 101
    other.write(other.speed(), other.panel(), name="second", start_time_ms=t, stop_time_ms=t + 100)

    with opened(copy) as one, opened(other.path("second")) as two:
        assert list(differences(one, two)) == []
