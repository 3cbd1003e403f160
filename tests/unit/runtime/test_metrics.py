import pytest

from testbeam.runtime import metrics
from testbeam.runtime.metrics import GraphiteSender, Metric, Sample, graphite_lines, node

UPDATES = Metric(name="updates", help="h", samples=(Sample(value=3),), only_grows=True)
BY_PV = Metric(
    name="of",
    help="h",
    samples=tuple(Sample(value=n, labels={"channel": "A.B:C", "topic": topic}) for n, topic in enumerate(("x", "x", "y"))),
)


def test_a_path_has_no_dots_of_its_parts_and_no_two_numbers_share_one() -> None:
    lines = graphite_lines(f"forwarder.{node('host.site.org')}.fw", (UPDATES, BY_PV), 17.9)

    assert lines == [
        "forwarder.host_site_org.fw.updates 3 17",
        "forwarder.host_site_org.fw.A_B_C.x.of 0 17",
        "forwarder.host_site_org.fw.A_B_C.x.of-2 1 17",
        "forwarder.host_site_org.fw.A_B_C.y.of 2 17",
    ]


def test_a_set_is_sent_once_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[list[str]] = []
    monkeypatch.setattr(metrics, "send_lines", lambda *given, **_: sent.append(given[2]))
    sender = GraphiteSender("host", 2003, "p", 10.0, lambda: (UPDATES,))

    for now_s in (0.0, 5.0, 10.0, 10.1):
        sender.serve(now_s, now_s)
        sender.close(1.0)

    assert sent == [["p.updates 3 0"], ["p.updates 3 10"]]
