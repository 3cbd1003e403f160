"""Operations of the watch on contexts that are replaced while they are under way, against a fake of p4p."""

import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, ClassVar

import pytest

from testbeam.errors import TransportError
from testbeam.transport import epics_libraries
from testbeam.transport.pv_watch import PvSnapshot
from testbeam.transport.pva import watch as module
from testbeam.transport.pva.watch import PvaWatch

Done = Callable[[Any], None]

_PUT_S = 1.5


class Operation:
    def close(self) -> None:
        pass


class Context:
    """A context of p4p that answers after a time, or, with None, never; what is asked of a closed one gets no answer either."""

    made: ClassVar[list["Context"]] = []
    answers_after_s: ClassVar[list[float | None]] = []

    def __init__(self, *_: Any, **__: Any) -> None:
        self.after_s = self.answers_after_s[min(len(self.made), len(self.answers_after_s) - 1)]
        self.asked: list[str] = []
        self.open = True
        self.made.append(self)

    @staticmethod
    def makeRequest(request: str) -> str:  # noqa: N802 — p4p's name
        return request

    def get(self, name: str, done: Done) -> Operation:
        return self._answer(f"get {name}", None if name == "SILENT" else self.after_s, {"value": 1.0}, done)

    def put(self, name: str, done: Done, **_: Any) -> Operation:
        return self._answer(f"put {name}", _PUT_S, None, done)

    def _answer(self, what: str, after_s: float | None, answer: Any, done: Done) -> Operation:
        self.asked.append(what)
        if after_s is not None:
            timer = threading.Timer(after_s, lambda: done(answer) if self.open else None)
            timer.daemon = True
            timer.start()
        return Operation()

    def close(self) -> None:
        self.open = False


class Servers:
    """Servers that are up: the second look since they were suspected tells that they came back, as a knock takes its time."""

    def __init__(self, _: Any) -> None:
        self.suspected = False
        self.looks = 0

    def ask(self, _: int) -> None:
        self.suspected, self.looks = False, 0

    def suspect(self) -> None:
        self.suspected = True

    def some_came_back(self, _: int) -> bool:
        self.looks += self.suspected
        return self.looks > 1

    def close(self) -> None:
        pass


class Subscription:
    def pop(self) -> None:
        return None


class OurSubscription(Subscription):
    """p4p's is a subclass of another one, too, whose `pop` the watch calls."""


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[PvaWatch]:
    raw = ModuleType("p4p.client.raw")
    vars(raw).update(Context=Context, Subscription=OurSubscription)
    monkeypatch.setitem(sys.modules, "p4p.client.raw", raw)
    monkeypatch.setattr(module, "NameServers", Servers)
    monkeypatch.setattr(epics_libraries, "folder", lambda _: None)
    monkeypatch.setattr(module, "_snapshot", lambda name, _: PvSnapshot(name=name))
    monkeypatch.setattr(Context, "made", [])
    monkeypatch.setattr(Context, "answers_after_s", [None, 0.0])
    made = PvaWatch()
    yield made
    made.close()


def test_a_read_goes_on_through_the_context_that_takes_the_place_of_a_dead_one(watch: PvaWatch) -> None:
    assert watch.get("A", 30.0).name == "A"
    assert [context.asked for context in Context.made] == [["get A"], ["get A"]]


def test_a_read_that_nobody_answers_ends_in_time_and_does_not_make_a_context_a_look(
    watch: PvaWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Context, "answers_after_s", [None])

    with pytest.raises(TransportError, match="'A' was not read within 2 s"):
        watch.get("A", 2.0)

    assert len(Context.made) <= 3  # after 0.5 s, and after another second


def test_a_write_that_takes_long_is_sent_once_and_its_context_is_kept(watch: PvaWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "answers_after_s", [0.0])
    Context.made[0].after_s = 0.0

    def look_for_what_is_not_there() -> None:
        with pytest.raises(TransportError):
            watch.get("SILENT", 2.0)

    doubts = threading.Thread(target=look_for_what_is_not_there)
    doubts.start()
    watch.put("A", 1.0, wait=True, within_s=30.0)
    doubts.join(30)

    assert len(Context.made) > 1
    assert sum(context.asked.count("put A") for context in Context.made) == 1
