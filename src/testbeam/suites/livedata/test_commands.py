"""Commands: one answer each, to be done at once or refused with a reason."""

from typing import Any
from uuid import uuid4

import pytest

from testbeam.suites.livedata.live import SILENCE_S, S

WRONG_EDGES = {"toa_edges": {"start": 5.0, "stop": 1.0, "num_bins": 10, "unit": "ms"}}


def only_answer(live: Any, message_id: str | None) -> dict[str, Any]:
    live.answers_to(message_id, 1)
    live.watch(SILENCE_S)
    (answer,) = live.answers_to(message_id, 1)
    found: dict[str, Any] = answer
    return found


def test_a_start_is_acknowledged_once_and_its_job_is_active(live: Any) -> None:
    number = str(uuid4())
    command = live.start_command("monitor_histogram", "monitor1", number)
    live.command(command)

    assert only_answer(live, command["message_id"]) == {
        "message_id": command["message_id"],
        "device": "monitor1",
        "response": "ACK",
        "message": None,
    }
    live.monitor("monitor1", live.now_ns(), 1)
    live.pass_time(lambda at_ns: live.monitor("monitor1", at_ns, 0), live.now_ns())
    message = live.wait_status("monitor1", number, {"active"})
    assert message["workflow_id"] == "dummy/monitor_histogram/1"
    assert message["job_id"] == {"source_name": "monitor1", "job_number": number}
    assert live.act("stop", "monitor1", number)["response"] == "ACK"


def test_commands_of_one_message_id_have_an_answer_each(live: Any) -> None:
    number, message_id = str(uuid4()), str(uuid4())
    for source in ("monitor1", "monitor2"):
        live.command(live.start_command("monitor_histogram", source, number, message_id=message_id))
    answers = live.answers_to(message_id, 2)

    assert sorted((one["device"], one["response"]) for one in answers) == [("monitor1", "ACK"), ("monitor2", "ACK")]
    for source in ("monitor1", "monitor2"):
        live.act("stop", source, number)


def test_further_parameters_that_are_unknown_are_acknowledged(live: Any) -> None:
    live.start("monitor_histogram", "monitor1", {"unheard_of": {"x": 1}})


def test_parameters_that_can_not_be_are_refused_with_a_reason(live: Any) -> None:
    answer = live.ask(live.start_command("monitor_histogram", "monitor1", str(uuid4()), WRONG_EDGES))

    assert (answer["response"], answer["device"]) == ("ERR", "monitor1")
    assert "stop" in answer["message"]


def test_a_source_that_the_workflow_has_not_is_refused(live: Any) -> None:
    assert live.ask(live.start_command("monitor_histogram", "monitor77", str(uuid4())))["response"] == "ERR"


def test_a_refused_start_leaves_the_job_that_runs(live: Any) -> None:
    number, at_ns = live.start("monitor_histogram", "monitor1"), live.now_ns()
    assert live.ask(live.start_command("monitor_histogram", "monitor1", str(uuid4()), WRONG_EDGES))["response"] == "ERR"
    live.monitor("monitor1", at_ns, 5)
    live.pass_time(lambda later_ns: live.monitor("monitor1", later_ns, 0), at_ns)

    live.wait_sum(number, 5)


@pytest.mark.parametrize("name", ["nothing", "panel_0_yx"])
def test_an_unknown_workflow_is_refused_once(live: Any, name: str) -> None:
    command = live.start_command(name, "monitor1", str(uuid4()))
    live.command(command)

    assert only_answer(live, command["message_id"])["response"] == "ERR"


def test_a_job_that_nobody_has_is_told_once(live: Any) -> None:
    message_id, number = str(uuid4()), str(uuid4())
    job = {"source_name": "monitor1", "job_number": number}
    live.command({"kind": "job_command", "message_id": message_id, "job_id": job, "action": "reset"})

    answer = only_answer(live, message_id)
    assert (answer["response"], answer["device"]) == ("ERR", f"monitor1/{number}")


def test_what_is_no_command_is_told_once(live: Any) -> None:
    message_id = str(uuid4())
    live.command({"kind": "dance", "message_id": message_id})
    assert only_answer(live, message_id)["response"] == "ERR"

    message_id = str(uuid4())
    live.command({"kind": "job_command", "message_id": message_id, "action": "explode", "workflow_id": "dummy/monitor_histogram/1"})
    assert only_answer(live, message_id)["response"] == "ERR"


def test_payloads_that_are_no_json_harm_nothing(live: Any) -> None:
    for payload in (b"", b"{", b"\xff\xfe", b"[" * 50_000, b'"text"', b"null", b'{"kind": "workflow_config"}', bytes(100_000)):
        live.command(payload)

    live.start("monitor_histogram", "monitor1")


def test_an_action_that_is_not_there_is_refused(live: Any) -> None:
    number = live.start("monitor_histogram", "monitor1")

    assert live.act("pause", "monitor1", number)["response"] == "ERR"


def test_a_stop_without_saying_of_what_stops_nothing(live: Any) -> None:
    number, message_id = live.start("monitor_histogram", "monitor1"), str(uuid4())
    live.command({"kind": "job_command", "message_id": message_id, "action": "stop"})

    assert only_answer(live, message_id)["response"] == "ERR"
    assert live.act("stop", "monitor1", number)["response"] == "ACK"


def test_all_jobs_of_a_workflow_are_reset_by_its_id_alone(live: Any) -> None:
    number, at_ns = live.start("monitor_histogram", "monitor1"), live.now_ns()
    live.monitor("monitor1", at_ns, 7)
    live.pass_time(lambda later_ns: live.monitor("monitor1", later_ns, 0), at_ns)
    live.wait_sum(number, 7)
    live.command({"kind": "job_command", "action": "reset", "workflow_id": "dummy/monitor_histogram/1"})
    live.wait(lambda: [a for a in live.answers if a["device"] == "all" and a["response"] == "ACK"], 10, "acknowledgement")
    live.monitor("monitor1", at_ns + 4 * S, 2)
    live.pass_time(lambda later_ns: live.monitor("monitor1", later_ns, 0), at_ns + 4 * S)

    assert live.wait_result(number, "counts_total_cumulative", lambda one: one.values == 2).span_ns[0] >= at_ns + 3 * S


def test_the_form_of_commands_before_kinds_is_understood(live: Any) -> None:
    number = live.start("monitor_histogram", "monitor1")
    message_id = str(uuid4())
    live.command({"message_id": message_id, "job_id": {"source_name": "monitor1", "job_number": number}, "action": "reset"})

    assert only_answer(live, message_id)["response"] == "ACK"


def test_a_stopped_job_is_silent(live: Any) -> None:
    number = live.start("monitor_histogram", "monitor1")
    assert live.act("stop", "monitor1", number)["response"] == "ACK"
    live.watch(0.5)
    before = len(live.of(number, "current"))
    live.monitor("monitor1", live.now_ns(), 5)
    live.pass_time(lambda at_ns: live.monitor("monitor1", at_ns, 0), live.now_ns())
    live.watch(SILENCE_S + 0.5)

    assert len(live.of(number, "current")) == before
