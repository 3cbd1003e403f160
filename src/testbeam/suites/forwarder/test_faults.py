"""Faults: what a forwarder owes its users while something else is broken, and once it is not."""

import pytest

from testbeam.model.samples import ConnectionState
from testbeam.suites.forwarder.chain import COUNTING, OTHER_PREFIX, PREFIX, WITHIN_S, Chain, connections, stream, values, wait_for

real = pytest.mark.parametrize("protocol", ["ca", "pva"])


@real
def test_an_ioc_that_restarts_is_found_again_and_its_connection_is_told_last(chain: Chain, protocol: str) -> None:
    topic = chain.topic()
    chain.add(stream(f"{OTHER_PREFIX}LONG", topic, protocol))
    wait_for(lambda: values(topic), "the first value")
    other = chain.run["other"]
    other.restart()
    other.pv(f"{OTHER_PREFIX}LONG").put(5, within_s=WITHIN_S)

    wait_for(lambda: int(values(topic)[-1].value.value) == 5, "a value of after the restart", within_s=40.0)
    wait_for(lambda: connections(topic)[-1] is ConnectionState.CONNECTED, "the connection of after the restart", within_s=20)
    assert ConnectionState.DISCONNECTED in connections(topic)


@real
def test_an_ioc_that_hangs_for_a_while_costs_no_newest_value(chain: Chain, protocol: str) -> None:
    topic = chain.topic()
    chain.add(stream(f"{OTHER_PREFIX}DOUBLE", topic, protocol), stream("DOUBLE", topic, protocol))
    wait_for(lambda: len(values(topic)) >= 2, "the first values")
    with chain.run["other"].paused():
        chain.pv("DOUBLE").put(2.5)
        wait_for(lambda: float(values(topic, f"{PREFIX}DOUBLE")[-1].value.value) == 2.5, "the other IOC's value")
    chain.run["other"].pv(f"{OTHER_PREFIX}DOUBLE").put(3.5)
    chain.pv("DOUBLE").put(1.5)

    wait_for(lambda: float(values(topic, f"{OTHER_PREFIX}DOUBLE")[-1].value.value) == 3.5, "the value of after the pause")


def test_a_broker_that_hangs_costs_no_newest_value(chain: Chain) -> None:
    topic = chain.topic()
    chain.add(stream("DOUBLE", topic), stream("LONG", topic, "ca"))
    wait_for(lambda: len(values(topic)) >= 2, "the first values")
    with chain.run["broker"].paused():
        for number in range(50):
            chain.pv("DOUBLE").put(float(number))
        chain.pv("LONG").put(99)

    wait_for(lambda: float(values(topic, f"{PREFIX}DOUBLE")[-1].value.value) == 49.0, "the newest value over PVA")
    wait_for(lambda: int(values(topic, f"{PREFIX}LONG")[-1].value.value) == 99, "the newest value over CA")
    chain.pv("DOUBLE").put(1.5)
    chain.pv("LONG").put(-70000)


def test_commands_of_the_time_of_an_outage_are_done_after_it(chain: Chain) -> None:
    topic = chain.topic()
    chain.add(stream("N:A", topic))
    with chain.run["broker"].paused(2.0):
        pass
    chain.client.remove("N:A")
    chain.client.add(stream("N:B", topic))

    chain.client.wait_for_streams([stream("N:B", topic)], WITHIN_S)


def test_a_topic_that_is_made_late_gets_the_newest_value(chain: Chain) -> None:
    name, there = chain.topic_name(), chain.topic()
    chain.add(stream("DOUBLE", name), stream("LONG", there))
    wait_for(lambda: values(there), "the value to the topic that is there")
    late = chain.make_topic(name)

    found = wait_for(lambda: values(late), "the value to the topic that was made late")
    assert float(found[-1].value.value) == 1.5
    wait_for(lambda: connections(late), "the connection")


def test_its_streams_are_restored_after_a_restart(chain: Chain) -> None:
    topic = chain.topic()
    streams = [stream("LONG", topic), stream("DOUBLE", topic, "ca")]
    chain.add(*streams, stream("N:GONE", topic))
    chain.client.remove("N:GONE")
    chain.client.wait_for_streams(streams, WITHIN_S)
    before = len(values(topic))
    chain.run["forwarder"].restart()

    chain.client.wait_for_streams(streams, 30.0)
    wait_for(lambda: len(values(topic)) >= before + 2, "the values of after the restart")


def test_what_came_before_a_stop_reaches_kafka(chain: Chain) -> None:
    topic = chain.topic()
    chain.add(stream("LONG", topic))
    wait_for(lambda: values(topic), "the first value")
    forwarder = chain.run["forwarder"]
    try:
        with chain.run["broker"].paused():
            for number in range(20):
                chain.pv("LONG").put(number)
            chain.pv("DOUBLE").put(1.5)  # a round trip to the IOC: what was put before has long been sent
        forwarder.stop()
        found = [int(one.value.value) for one in values(topic)]
    finally:
        forwarder.start()
        chain.pv("LONG").put(-70000)

    assert found[-1] == 19


@real
def test_counting_records_have_no_gap(chain: Chain, protocol: str) -> None:
    topic = chain.topic()
    chain.add(*(stream(f"COUNT-{n}", topic, protocol) for n in range(COUNTING)))
    wait_for(lambda: len(values(topic)) >= 30 * COUNTING, "three seconds of counting", within_s=30.0)
    chain.client.remove_all()

    by_source: dict[str, list[int]] = {}
    for one in values(topic):
        by_source.setdefault(one.source, []).append(int(one.value.value))
    assert len(by_source) == COUNTING
    assert all(found == list(range(found[0], found[0] + len(found))) for found in by_source.values())
