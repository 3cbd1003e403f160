from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.event_source.declaration import event_source


def test_a_broker_measures_a_topic_and_the_cpu_of_every_service() -> None:
    stack = Stack(broker(topics=("tb_detector", "tb_beam_monitor")), event_source(events_per_pulse=100))
    with stack.run() as run:
        measured = run.service("broker", BrokerHandle).measure("tb_detector", for_s=2)

    assert 2 <= measured.messages / measured.seconds <= 18  # 14 pulses a second, fewer on a busy machine
    assert measured.latency is not None
    assert measured.latency.p50_ms <= measured.latency.p99_ms
    assert 0 < measured.load("event_source").cores < 1
    assert measured.load("broker").cores > 0
