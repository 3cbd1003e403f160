"""Junk on every topic of a writer."""

from testbeam.kit.run import Run
from testbeam.suites.filewriter.jobs import Writing, entry_of, log, now_ms, ns, read
from tests.hostile.corpus import HOSTILE


def test_junk_on_every_topic_is_survived_counted_and_reported(writing: Writing) -> None:
    t = now_ms() - 5_000
    hostile = [payload for _name, payload in HOSTILE if len(payload) < 100_000][::5]
    for topic in (writing.client.pool_topic, writing.control.name, writing.data.name):
        writing.broker.topic(topic)
        for payload in hostile:
            writing.client.send(topic, payload)
    writing.send(log(t + 1))
    job = writing.write(writing.speed(), writing.panel(), start_time_ms=t, stop_time_ms=now_ms())

    with entry_of(job) as entry:
        assert read(entry, "speed/time") == [ns(t + 1)]
    report = job.report
    assert report["received"] == len(hostile) + 1
    assert report["written"] + sum(report["dropped"].get(r, 0) for r in ("failed verification", "unknown schema")) == len(hostile) + 1


def test_the_writer_is_unharmed_by_all_of_this(writing: Writing, writing_run: Run) -> None:
    writing_run["filewriter"].check()
    assert "Traceback" not in writing_run["filewriter"].get_stderr()
