from testbeam.kit.journal import Event
from testbeam.kit.journal_views import FaultInterval, fault_intervals


def event(at_s: float, kind: str, **data: object) -> Event:
    return Event(at_ns=round(at_s * 1e9) + 5, kind=kind, service="broker" if kind == "fault" else "", data=data)


def fault(at_s: float, phase: str, number: int, name: str = "paused", **more: object) -> Event:
    return event(at_s, "fault", phase=phase, number=number, fault=name, parameters={"longest_s": 5}, **more)


def test_a_fault_lasts_from_its_begin_to_its_end() -> None:
    events = [event(0, "run_started"), fault(1, "begin", 1), event(2, "paused"), fault(3, "end", 1, why="its block is over")]

    assert fault_intervals(events) == (
        FaultInterval(service="broker", fault="paused", start_s=1, end_s=3, why="its block is over", parameters={"longest_s": 5}),
    )
    assert fault_intervals(events)[0].words == "paused(longest_s=5)"


def test_faults_may_overlap_and_one_may_last() -> None:
    events = [event(0, "run_started"), fault(1, "begin", 1), fault(2, "begin", 2, "link"), fault(2.5, "change", 2), fault(3, "end", 1)]

    assert [(span.fault, span.start_s, span.end_s) for span in fault_intervals(events)] == [("paused", 1, 3), ("link", 2, None)]


def test_a_journal_without_faults_has_none() -> None:
    assert fault_intervals([event(0, "run_started")]) == ()
