"""Faults by chance: on small services to show the machinery, and on a whole chain to show that it stands them."""

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis.stateful import invariant, rule

from testbeam.clients.waiting import wait_for_condition
from testbeam.errors import SettingsError, StackError
from testbeam.kit.faults.machine import FaultMachine, break_at_random
from testbeam.kit.faults.play import SEED, RandomFaults
from testbeam.kit.faults.schedule import Between, Choice
from testbeam.kit.handle import Handle
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.kit.state import State
from testbeam.nexus import compose
from tests.integration.faults.breakable import asked, client, echo
from tests.integration.faults.chain import TOPICS, Chain, counting, faultable_chain, growing
from tests.integration.kit.runners import poisoned

SOAK = bool(os.environ.get("TESTBEAM_SOAK"))

SHORT = Between(low=0.0, high=0.05)
SMALL = RandomFaults(
    choices=(
        Choice(service="echo", fault="paused", lasts_s=SHORT),
        Choice(service="echo", fault="killed", lasts_s=SHORT),
        Choice(service="echo", fault="link", options={"latency_ms": Between(low=1, high=30)}, lasts_s=SHORT),
        Choice(service="other", fault="slow_consumer", options={"share": Between(low=0.1, high=0.9)}, lasts_s=SHORT),
        Choice(service="other", fault="restarted", lasts_s=SHORT),
    ),
    count=12,
    every_s=0.02,
)

CHAIN = RandomFaults(
    choices=(
        Choice(service="broker", fault="paused", options={"longest_s": 5}, lasts_s=Between(low=0.1, high=1.0)),
        Choice(service="broker", fault="killed", lasts_s=Between(low=0.0, high=0.3)),
        Choice(service="broker", fault="link", options={"latency_ms": Between(low=1, high=200), "jitter_ms": 20}),
        Choice(service="broker", fault="link", options={"rate_kbps": Between(low=2_000, high=20_000)}),
        Choice(service="broker", fault="link", options={"black_hole": True}, lasts_s=Between(low=0.1, high=0.5)),
        Choice(service="broker", fault="link", options={"reset": True}, lasts_s=Between(low=0.0, high=0.2)),
        Choice(service="broker", fault="link", options={"down": True}, lasts_s=Between(low=0.1, high=0.5)),
        Choice(service="broker", fault="link", options={"slice_bytes": 100, "direction": "upstream"}),
        Choice(service="filewriter", fault="killed", lasts_s=Between(low=0.0, high=0.5)),
        Choice(service="filewriter", fault="disk_full"),
        Choice(service="filewriter", fault="slow_consumer", options={"share": Between(low=0.1, high=0.5)}),
        Choice(service="forwarder", fault="restarted", lasts_s=Between(low=0.0, high=0.1)),
        Choice(service="forwarder", fault="paused"),
        Choice(service="forwarder", fault="clock_shifted", options={"shift_s": Between(low=-3600, high=3600)}),
        Choice(service="event_source", fault="paused"),
        Choice(service="event_source", fault="killed", lasts_s=Between(low=0.0, high=0.5)),
    ),
    count=200 if SOAK else 10,
    every_s=0.4,
)


def history(run: Run, since: int = 0) -> list[tuple[str, str, str, Any]]:
    """Return what was broken and mended, in order."""
    events = [event for event in run.journal.events[since:] if event.kind == "fault"]
    return [(event.service, event.data["phase"], event.data["fault"], event.data["parameters"]) for event in events]


def by_service(history: list[tuple[str, str, str, Any]]) -> dict[str, list[tuple[str, str, str, Any]]]:
    """Return it apart for each service: the order between two services may differ by a moment."""
    return {name: [entry for entry in history if entry[0] == name] for name in ("echo", "other")}


@pytest.fixture
def run() -> Iterator[Run]:
    with Stack(echo(), echo("other")).run() as running:
        yield running


@pytest.mark.usefixtures("leaves_nothing")
def test_a_replay_breaks_the_same_things_in_the_same_order() -> None:
    with Stack(echo(), echo("other")).run() as run:
        schedule = SMALL.play(run, seed=4)
        first, since = history(run), len(run.journal.events)
        SMALL.replay(run, schedule.seed)

        assert by_service(history(run, since)) == by_service(first)
        assert len(first) == 2 * SMALL.count
        begun = [(service, fault) for service, phase, fault, _ in first if phase == "begin"]
        assert Counter(begun) == Counter((one.service, one.fault) for one in schedule.faults)
        assert run.faults.active == ()
        assert {run[name].state for name in run} == {State.READY}


def test_a_failed_schedule_says_its_seed_its_steps_and_how_to_repeat_it_and_mends_everything(run: Run) -> None:
    looks: list[Run] = []

    def check(run: Run) -> None:
        looks.append(run)
        assert len(looks) < 5, "the fifth step was too much"

    with pytest.raises(AssertionError) as caught:
        SMALL.play(run, seed=4, check=check)

    told = "\n".join(caught.value.__notes__)
    assert "in a schedule of faults with seed 4" in told
    assert told.count("begin ") + told.count("end   ") == 5
    assert "to repeat it: .replay(run, seed=4) of 12 faults, or TESTBEAM_FAULT_SEED=4" in told
    assert run.faults.active == ()
    with client(run["echo"]) as one:
        assert asked(one) == b"x"


def test_the_seed_of_a_failure_may_come_from_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    few = RandomFaults(choices=SMALL.choices[:1], count=1, every_s=0.01)
    monkeypatch.setenv(SEED, "77")
    assert few.play(run).seed == 77
    monkeypatch.delenv(SEED)
    assert few.play(run).seed != few.play(run).seed
    monkeypatch.setenv(SEED, "seven")
    with pytest.raises(SettingsError, match="TESTBEAM_FAULT_SEED: 'seven' can't be used"):
        few.play(run)


def test_a_fault_that_can_not_be_is_an_error_of_the_schedule(run: Run) -> None:
    wrong = RandomFaults(choices=(Choice(service="echo", fault="clock_shifted", options={"shift_s": 5}),), count=1)
    with pytest.raises(StackError, match="no injected clock") as caught:
        wrong.play(run, seed=1)
    assert "clock_shifted(shift_s=5)" in "\n".join(caught.value.__notes__)


def test_a_service_that_ends_unasked_ends_the_schedule() -> None:
    with poisoned(Stack(echo()), "SIGKILL") as run:

        def check(run: Run) -> None:
            os.kill(run["echo"].pid or 0, 9)
            wait_for_condition(lambda: bool(run.crashed))

        slow = RandomFaults(choices=(Choice(service="echo", fault="link", options={"latency_ms": 1}),), count=3, every_s=0.01)
        with pytest.raises(StackError, match="although it should be running"):
            slow.play(run, seed=1, check=check)


class Asking(FaultMachine):
    """Users of the two services, who are answered whatever is broken, if they only ask again."""

    choices = (*SMALL.choices, Choice(service="other", fault="link", options={"slice_bytes": Between(low=1, high=5)}))
    done: ClassVar[list[str]] = []

    @rule()
    def ask(self) -> None:
        self.done.append("ask")
        if not any(choice.fault in {"killed", "paused"} for choice, _ in self.faults):
            for name in ("echo", "other"):
                with client(self.running.service(name, Handle)) as one:
                    assert asked(one, b"hello") == b"hello"

    @invariant()
    def those_that_are_not_killed_run(self) -> None:
        killed = {choice.service for choice, _ in self.faults if choice.fault == "killed"}
        assert {name for name in self.running if not self.running[name].is_running()} == killed

    def settled(self) -> None:
        self.done.append("settled")
        assert {self.running[name].state for name in self.running} == {State.READY}


def test_a_state_machine_of_hypothesis_breaks_a_stack_while_its_users_go_on(run: Run) -> None:
    class Machine(Asking):
        running = run

    def broken(seed: int) -> tuple[list[tuple[str, str, str, Any]], list[str]]:
        since = len(run.journal.events)
        Asking.done.clear()
        break_at_random(Machine, seed=seed, examples=20 if SOAK else 3, steps=15)
        return history(run, since), list(Asking.done)

    first = broken(5)

    assert first[0]
    assert "ask" in first[1]
    assert first[1].count("settled") >= (20 if SOAK else 3)
    assert broken(5) == first
    assert broken(6) != first


def test_a_state_machine_that_fails_mends_everything_and_says_how_to_repeat_it(run: Run) -> None:
    class Machine(FaultMachine):
        running = run
        choices = SMALL.choices[:1]

        @invariant()
        def nothing_is_ever_broken(self) -> None:
            assert not self.faults

    with pytest.raises(AssertionError) as caught:
        break_at_random(Machine, seed=1)

    told = "\n".join(caught.value.__notes__)
    assert "to repeat it: break_at_random(Machine, seed=1, examples=5, steps=10)" in told
    assert "state.begin_fault(" in told
    assert run.faults.active == ()
    assert run["echo"].state is State.READY


def test_a_chain_stands_random_faults_and_loses_nothing_that_was_acknowledged() -> None:
    structure = compose.nexus_structure(
        compose.group(
            "entry", "NXentry", compose.group("panel", "NXdetector", compose.stream("ev44", topic=TOPICS.detector, source="panel"))
        )
    )
    with faultable_chain().run() as run:
        chain = Chain(run)
        with counting(chain, "count", every_s=0.01) as count:

            def check(_: Run) -> None:
                assert count.refused == []
                assert count.acknowledged == sorted(set(count.acknowledged))

            CHAIN.play(run, None if SOAK else 20, check=check)

        assert count.on_topic() == list(range(count.sent))
        assert {run[name].state for name in run} == {State.READY}
        growing(chain.broker.topic(TOPICS.detector))
        job = chain.writer.start_job(structure, "after.nxs")
        job.wait_started(within_s=30)
        wait_for_condition(lambda: job.wait_status()["written"] > 3, within_s=30, what="messages in the file")
        job.stop()
        job.wait_written()
