"""Fault of a bad link between a service and its clients: through the proxy that stands before its port.

Source: docs/reference/contracts/kit.md, "Faults without privileges"; the words are Toxiproxy's.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Literal

from testbeam.errors import StackError
from testbeam.kit import template
from testbeam.kit.faults.fault import Fault
from testbeam.kit.faults.proxy.conditions import CLEAR, Conditions
from testbeam.kit.protocols import HandleLike

Direction = Literal["both", "upstream", "downstream"]
DIRECTIONS = ("both", "upstream", "downstream")


class LinkFault(Fault):
    """Put the links of a service under `conditions`, in one direction or both.

    upstream is from client to service, downstream from service to client; without `port` every relayed port is meant.
    """

    kind = "link"

    def __init__(self, handle: HandleLike, conditions: Conditions, *, direction: Direction = "both", port: str = "") -> None:
        check_conditions(conditions, direction)
        words = {item.name: value for item in fields(conditions) if (value := getattr(conditions, item.name)) != item.default}
        super().__init__(handle, **words, direction=direction, **({"port": port} if port else {}))
        self._conditions = conditions
        self._direction = direction
        self._port = port
        self._before: dict[str, dict[str, int]] = {}

    def check(self) -> None:
        """Refuse a service, or port, that clients reach directly."""
        relayed = [port.name for port in self.handle.service.ports if port.forwards_to]
        if not relayed:
            way_out = (
                'declare ports=(…, Port(name="proxy", forwards_to="main")) and let clients use it '
                '(broker(faultable=True), and broker_endpoint="proxied" for who reads from it)'
            )
            raise self.refuse("has no port that its clients reach through a proxy", way_out)
        if self._port and self._port not in relayed:
            raise self.refuse(f"has no relayed port {self._port!r}", template.near(self._port, relayed))

    def begin_it(self) -> None:
        """Tell the proxy."""
        for name in self._names():
            self._before[name] = self._shape(name, self._conditions)

    def change(self, **words: Any) -> None:
        """Change the conditions, on live connections too, without a moment of good link between.

        Raises:
            StackError: a word is unknown or its value can't be used, or the fault is not active.
        """
        if not self.is_active:
            raise self.refuse("is not under this fault now", "change it within its block")
        self.handle.run.faults.change(self, words)

    def counts(self) -> dict[str, int]:
        """Return what happened on the links since the beginning, by words such as accepted, reset and swallowed_bytes."""
        return self.handle.run.faults.counts(self) if self.is_active else self.last_counts

    def change_it(self, words: Mapping[str, Any]) -> None:
        """Change the conditions where the proxy is."""
        conditions = conditions_of(**(asdict(self._conditions) | dict(words)))
        check_conditions(conditions, self._direction)
        self._conditions = conditions
        for name in self._names():
            self._shape(name, conditions)

    def counts_now(self) -> dict[str, int]:
        """Ask the proxy for the counts."""
        return self._since({name: self.faults.links.counts(name) for name in self._before})

    def end_it(self, *, for_good: bool) -> dict[str, Any]:  # noqa: ARG002 - the proxy ends after the services
        """Tell the proxy, and the journal what became of connections."""
        self.last_counts = self._since({name: self.faults.links.clear(name, self.number) for name in self._before})
        return {"counts": self.last_counts}

    def _names(self) -> list[str]:
        ports = [port.name for port in self.handle.service.ports if port.forwards_to and self._port in {"", port.name}]
        return [f"{self.handle.name}:{port}" for port in ports]

    def _shape(self, name: str, conditions: Conditions) -> dict[str, int]:
        up = conditions if self._direction != "downstream" else CLEAR
        down = conditions if self._direction != "upstream" else CLEAR
        return self.faults.links.shape(name, self.number, asdict(up), asdict(down))

    def _since(self, now: dict[str, dict[str, int]]) -> dict[str, int]:
        words = {word for counts in now.values() for word in counts if word != "connected"}
        return {word: sum(now[name].get(word, 0) - self._before[name].get(word, 0) for name in now) for word in sorted(words)}


def conditions_of(**words: Any) -> Conditions:
    """Return conditions by their words.

    Raises:
        StackError: a word is unknown.
    """
    known = {item.name for item in fields(Conditions)}
    for word in words:
        if word not in known:
            raise StackError(f"link: {word!r} is no condition of a link; {template.near(word, known)}")
    return Conditions(**words)


def check_conditions(conditions: Conditions, direction: str) -> None:
    """Raise StackError for values that can't be used."""
    if direction not in DIRECTIONS:
        raise StackError(f"link: direction {direction!r} is not known; {template.near(direction, DIRECTIONS)}")
    for word in ("latency_ms", "jitter_ms", "rate_kbps", "slice_bytes", "slice_delay_ms", "slow_close_ms"):
        if not 0 <= getattr(conditions, word) < float("inf"):
            raise StackError(f"link: {word}={getattr(conditions, word)!r} can't be used; give a number that is not negative")
    if conditions.limit_bytes == 0 or conditions.limit_bytes < -1:
        raise StackError(f"link: limit_bytes={conditions.limit_bytes} can't be used; give at least 1, or reset=True")
    if conditions.slice_delay_ms and not conditions.slice_bytes:
        raise StackError("link: slice_delay_ms says how far apart slices are; give slice_bytes, too")
    if conditions == Conditions(seed=conditions.seed):
        raise StackError("link: no word says what is wrong with it; give latency_ms=…, rate_kbps=…, black_hole=True, down=True or another")
