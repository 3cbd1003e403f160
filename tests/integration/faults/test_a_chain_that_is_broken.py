"""Kafka, forwarder, file-writer and event source, really broken: what is lost, what comes back, and what is said of it."""

import time
from collections.abc import Iterator

import pytest

from testbeam.clients.waiting import wait_for_condition
from testbeam.errors import JobFailed, JobRefused
from testbeam.kit.journal_views import fault_intervals
from testbeam.kit.state import State
from testbeam.model.forwarding import Protocol, StreamSpec
from testbeam.model.samples import Events, LogValue
from testbeam.nexus import compose
from testbeam.tracking.writer_job import JobState
from tests.integration.faults.chain import TOPICS, Chain, counting, faultable_chain, growing


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with faultable_chain().run() as run:
        chain = Chain(run)
        chain.forwarder.add(StreamSpec(channel="FAKE", schema="f144", topic=TOPICS.motion, protocol=Protocol.FAKE))
        yield chain


def panel() -> str:
    """Return a structure whose file grows with every few pulses."""
    stream = compose.stream("ev44", topic=TOPICS.detector, source="panel", chunk_size=512)
    return compose.nexus_structure(compose.group("entry", "NXentry", compose.group("panel", "NXdetector", stream)))


def write_one_file(chain: Chain, name: str) -> None:
    """Have the file-writer show that it works."""
    job = chain.writer.start_job(panel(), name)
    job.wait_started(within_s=60)
    wait_for_condition(lambda: job.wait_status()["written"] > 3, within_s=60, what="messages in the file")
    job.stop()
    job.wait_written()


def test_a_broker_that_is_paused_for_three_seconds_loses_nothing(chain: Chain) -> None:
    with counting(chain, "paused") as count:
        wait_for_condition(lambda: len(count.acknowledged) > 20)
        with chain.broker.paused(10):
            before = len(count.acknowledged)
            time.sleep(3)
            assert len(count.acknowledged) - before <= 20  # those whose acknowledgement was on its way
        wait_for_condition(lambda: len(count.acknowledged) > before + 400, within_s=60, what="all that has waited")

    assert (count.refused, count.on_topic()) == ([], list(range(count.sent)))
    growing(chain.broker.topic(TOPICS.motion))
    growing(chain.broker.topic(TOPICS.detector))


def test_a_broker_that_is_killed_comes_back_with_all_that_it_acknowledged(chain: Chain) -> None:
    with counting(chain, "killed") as count:
        wait_for_condition(lambda: len(count.acknowledged) > 20)
        with chain.broker.killed():
            acknowledged = list(count.acknowledged)
        wait_for_condition(lambda: len(count.acknowledged) > len(acknowledged) + 20, within_s=60)

    assert (count.refused, count.on_topic()) == ([], list(range(count.sent)))
    assert {chain.run[name].state for name in chain.run} == {State.READY}
    growing(chain.broker.topic(TOPICS.detector))


def test_acknowledgements_that_are_lost_before_the_broker_is_killed_cost_nothing(chain: Chain) -> None:
    with counting(chain, "unheard") as count:
        wait_for_condition(lambda: len(count.acknowledged) > 20)
        with chain.broker.link(black_hole=True, direction="downstream"):
            before = count.sent
            wait_for_condition(lambda: count.sent > before + 50, within_s=60)
            with chain.broker.killed():
                pass
        wait_for_condition(lambda: len(count.acknowledged) > before + 100, within_s=60)

    assert (count.refused, count.on_topic()) == ([], list(range(count.sent)))
    growing(chain.broker.topic(TOPICS.motion))
    growing(chain.broker.topic(TOPICS.detector))


@pytest.mark.parametrize("how", ["black_hole", "stalled", "reset", "down"])
def test_clients_reconnect_after_their_link_was_cut_and_nothing_is_lost(chain: Chain, how: str) -> None:
    with counting(chain, how) as count:
        wait_for_condition(lambda: len(count.acknowledged) > 20)
        with chain.broker.link(**{how: True}) as fault:  # type: ignore[arg-type]
            before = len(count.acknowledged)
            time.sleep(1)
            assert len(count.acknowledged) - before <= 20
        wait_for_condition(lambda: len(count.acknowledged) > before + 100, within_s=60)

    assert (count.refused, count.on_topic()) == ([], list(range(count.sent)))
    assert (fault.counts()["reset"] > 0) is (how != "stalled")
    for topic in (TOPICS.motion, TOPICS.detector, TOPICS.writer_status):
        growing(chain.broker.topic(topic))


def test_a_long_link_to_kafka_shows_in_the_time_of_an_acknowledgement(chain: Chain) -> None:
    with counting(chain, "long", every_s=0.2) as count, chain.broker.link(latency_ms=150):
        wait_for_condition(lambda: count.sent > 1, within_s=60)
        waiting = count.sent
        started_s = time.monotonic()
        wait_for_condition(lambda: len(count.acknowledged) >= waiting, within_s=60)
        assert time.monotonic() - started_s > 0.15  # the delay of one direction; an acknowledgement needs both, and one may be under way

    assert count.on_topic() == list(range(count.sent))


def test_a_file_writer_that_is_killed_in_mid_job_takes_it_up_again_and_finishes_it(chain: Chain) -> None:
    job = chain.writer.start_job(panel(), "killed.nxs")
    job.wait_started(within_s=60)
    with chain.writer.killed():
        pass
    wait_for_condition(lambda: job.wait_status()["written"] > 3, within_s=30, what="messages in the file")
    job.stop(within_s=30)
    job.wait_written(within_s=30)
    assert job.state is JobState.WRITTEN

    write_one_file(chain, "after-the-kill.nxs")


def test_a_job_on_a_full_disk_ends_with_an_error_that_says_so_and_the_writer_takes_the_next(chain: Chain) -> None:
    pid = chain.writer.pid
    for number in range(2):
        job = chain.writer.start_job(panel(), f"full-{number}.nxs")
        job.wait_started(within_s=60)
        wait_for_condition(lambda job=job: job.wait_status()["written"] > 3, within_s=60)  # type: ignore[misc]
        with chain.writer.disk_full(), pytest.raises(JobFailed, match=rf"full-{number}\.nxs.*(File too large|file too large)"):
            job.wait_written()
    with chain.writer.disk_full(limit_bytes=0):
        job = chain.writer.start_job(panel(), "none.nxs")
        with pytest.raises(JobRefused, match="File too large"):
            job.wait_started()

    write_one_file(chain, "after-the-full-disk.nxs")
    assert chain.writer.pid == pid


def test_a_slow_file_writer_falls_behind_and_catches_up(chain: Chain) -> None:
    job = chain.writer.start_job(panel(), "slow.nxs")
    job.wait_started(within_s=60)
    with chain.writer.slow_consumer(share=0.1):
        time.sleep(2)
    job.stop()
    job.wait_written()

    assert job.report["written"] > 20
    assert set(job.report["dropped"]) <= {"outside window"}


def test_a_forwarder_whose_clock_is_an_hour_ahead_says_so_in_every_message(chain: Chain) -> None:
    topic = chain.broker.topic(TOPICS.motion)

    def ahead_s() -> float:
        newest = topic.expect(since=topic.mark(), where=lambda record: isinstance(record.value, LogValue), within_s=60)
        value_s: float = newest.value.timestamp_ns / 1e9
        return value_s - time.time()

    assert ahead_s() == pytest.approx(0, abs=5)
    with chain.forwarder.clock_shifted(+3600):
        wait_for_condition(lambda: ahead_s() == pytest.approx(3600, abs=5), within_s=60)


def test_an_event_source_whose_clock_is_shifted_dates_its_pulses_by_it(chain: Chain) -> None:
    topic = chain.broker.topic(TOPICS.detector)

    def ahead_s() -> float:
        newest = topic.expect(since=topic.mark(), where=lambda record: isinstance(record.value, Events), within_s=60)
        pulse_s: float = newest.value.reference_time_ns[0] / 1e9
        return pulse_s - time.time()

    with chain.run["event_source"].clock_shifted(-86_400):
        wait_for_condition(lambda: ahead_s() == pytest.approx(-86_400, abs=5), within_s=60)
    wait_for_condition(lambda: ahead_s() == pytest.approx(0, abs=5), within_s=60)


def test_a_file_writer_whose_clock_is_behind_starts_its_jobs_in_the_past(chain: Chain) -> None:
    with chain.writer.clock_shifted(-3600):
        job = chain.writer.start_job(panel(), "behind.nxs")
        job.wait_started(within_s=60)
        started_ms = job.wait_status()["start_time"]
        job.stop()
        job.wait_written(within_s=60)

    assert started_ms / 1000 - time.time() == pytest.approx(-3600, abs=30)


def test_the_run_is_unharmed_and_its_journal_tells_of_every_fault(chain: Chain) -> None:
    before = len(fault_intervals(chain.run.journal.events))
    for fault in (
        chain.broker.paused(5),
        chain.broker.link(latency_ms=1),
        chain.writer.disk_full(),
        chain.writer.slow_consumer(share=0.5),
        chain.forwarder.clock_shifted(1),
        chain.forwarder.killed(),
    ):
        with fault:
            pass

    chain.run.check()
    assert chain.run.faults.active == ()
    spans = fault_intervals(chain.run.journal.events)
    assert [span.fault for span in spans[before:]] == ["paused", "link", "disk_full", "slow_consumer", "clock_shifted", "killed"]
    assert [(span.fault, span.why) for span in spans if span.end_s is None or span.why != "its block is over"] == []
