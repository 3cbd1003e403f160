"""Store of the cache and its answers: keys with time and ttl, subscriptions, locks, rewrites, history. Pure: time comes in.

`Core.take` is the whole of a client's input, as text of whole lines. What is to be sent is left in `outgoing`, a list of lines for each
client; a line goes to one at most once, and never to the client that told it.
Source: docs/reference/contracts/control.md, "Cache protocol".
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from testbeam.wire.nicos import cache_lines as words
from testbeam.wire.nicos.cache_lines import match_line, relative_ttl, time_text

DEFAULT_LOCK_TTL_S = 600.0
TOLD_EXPIRED_TTL_S = 0.01
MOST_BYTES = 256_000_000
_MOST_SUBSCRIPTIONS = 10_000  # of one client
_MOST_LOCKS = 100_000
_MOST_KEY = 4096  # characters; a longer one is garbled
_ENTRY_BYTES = 600  # what a key takes besides its text and values, roughly
_SPARE_EXPIRIES = 10_000
_Interested = tuple[tuple[list[str], int], ...]
Keep = Callable[[str, str, str], None]  # time, key, value: of an update that is to outlive the cache


@dataclass(slots=True)
class Entry:
    """One key's newest value; `expires_s` is None for one that never does. `no_store`: it is not to outlive the cache."""

    value: str
    time: str
    time_s: float
    ttl: str = ""
    expires_s: float | None = None
    expired: bool = False
    history: deque[tuple[float, str]] | None = None
    no_store: bool = False


@dataclass(slots=True)
class Client:
    """One connection: its subscriptions (text → whether with times) and the lines for it."""

    lines: list[str] = field(default_factory=list)
    subscriptions: dict[str, bool] = field(default_factory=dict)


@dataclass(slots=True)
class Lock:
    """Who holds a lock, and until when."""

    holder: str
    expires_s: float


class Core:
    """The cache's contents.

    history: how many values of each key are kept. keep: told each update that is to be stored. most_bytes: what keys and values may
    take, as text; what would take more is refused and counted, as nothing must fill the memory that others need.
    """

    def __init__(self, history: int = 10, keep: Keep | None = None, most_bytes: int = MOST_BYTES) -> None:
        self.entries: dict[str, Entry] = {}
        self.clients: dict[int, Client] = {}
        self.updates = 0
        self.garbled = 0
        self.refused = 0
        self.stored_bytes = 0
        self._most_bytes = most_bytes
        self._history = history
        self._keep = keep
        self._locks: dict[str, Lock] = {}
        self._copies: dict[str, set[str]] = {}  # category → further categories that its keys go to
        self._copy_of: dict[str, str] = {}
        self._interested: dict[str, tuple[_Interested, _Interested]] = {}
        self._expiries: list[tuple[float, str]] = []

    def join(self, client: int) -> Client:
        """Take in a client."""
        joined = self.clients[client] = Client()
        return joined

    def leave(self, client: int) -> None:
        """Forget a client; its locks stay until they run out."""
        left = self.clients.pop(client, None)
        if left is not None and left.subscriptions:
            self._interested.clear()

    def take(self, client: int, lines: Iterable[str], now_s: float) -> bool:
        """Take in lines without their ends; False when one was garbled: that connection is to be closed after what came before."""
        now_text, mine = time_text(now_s), self.clients[client]
        for text in lines:
            match = match_line(text)
            if match is None:
                self.garbled += 1
                return False
            time, sign, ttl, mark, key, operator, value = match.groups()
            if len(key) > _MOST_KEY:
                self.garbled += 1
                return False
            key = key.lower()
            if operator == words.TELL:
                self.tell(mine, key, value, time or now_text, sign, ttl)
            elif not self._other(mine, operator, key, value, time, sign, ttl, mark, now_s):
                self.garbled += 1
                return False
        return True

    def tell(self, teller: Client | None, key: str, value: str, time: str, sign: str | None, ttl: str | None) -> None:
        """Set a key and all its copies; an empty value deletes it."""
        no_store = key[-1:] == words.NO_STORE
        if no_store:
            key = key[:-1]
        self._set(teller, key, value, time, sign, ttl if value else None, no_store)
        if self._copies:
            category, _, name = key.rpartition("/")
            for copy in tuple(self._copies.get(category, ())):
                self._set(teller, f"{copy}/{name}", value, time, sign, ttl if value else None, no_store)

    def expire(self, now_s: float) -> float | None:
        """Expire what is due and tell the subscribers; return when the next is due."""
        while self._expiries and self._expiries[0][0] <= now_s:
            due_s, key = heapq.heappop(self._expiries)
            entry = self.entries.get(key)
            if entry is not None and entry.expires_s == due_s and not entry.expired:
                entry.expired = True
                self._send(None, key, words.TELL_EXPIRED, entry.value, entry.time)
        return self._expiries[0][0] if self._expiries else None

    def restore(self, time: str, key: str, value: str) -> None:
        """Take in a stored value at the start."""
        if value:
            old = self.entries.get(key)
            self.stored_bytes += len(value) + (len(key) + _ENTRY_BYTES if old is None else -len(old.value))
            self.entries[key] = Entry(value, time, float(time))
        elif key in self.entries:
            self.stored_bytes -= len(key) + _ENTRY_BYTES + len(self.entries.pop(key).value)

    def _set(self, teller: Client | None, key: str, value: str, time: str, sign: str | None, ttl: str | None, no_store: bool) -> None:
        self.updates += 1
        old = self.entries.get(key)
        same = (old is None and not value) or (old is not None and old.value == value and old.expires_s is None and not old.expired)
        if same and not ttl and not no_store:
            return
        grows = len(value) - len(old.value) if old is not None else len(value) + len(key) + _ENTRY_BYTES if value else 0
        history = old.history if old is not None else None
        is_kept = bool(self._history and value and not no_store)
        if is_kept:
            grows += len(value) - (len(history[0][1]) if history is not None and len(history) == self._history else 0)
        if grows > 0 and self.stored_bytes + grows > self._most_bytes:
            self.refused += 1
            return
        self.stored_bytes += grows
        time_s, ttl_text = float(time), ""
        if is_kept:
            history = deque(maxlen=self._history) if history is None else history
            history.append((time_s, value))
        entry = Entry(value, time, time_s, history=history, no_store=no_store)
        if ttl:
            ttl_s = relative_ttl(time_s, sign, ttl) or 0.0
            ttl_text, entry.expires_s = f"+{ttl_s:g}", time_s + ttl_s
            entry.ttl = ttl_text
            heapq.heappush(self._expiries, (entry.expires_s, key))
            if len(self._expiries) > 2 * len(self.entries) + _SPARE_EXPIRIES:
                self._forget_old_expiries()
        if value:
            self.entries[key] = entry
        elif old is not None:
            self._delete(key, old, time_s)
        self._send(teller, key, words.TELL, value, time + ttl_text)
        if self._keep is not None and not no_store:
            self._keep(time, key, value)

    def _delete(self, key: str, old: Entry, time_s: float) -> None:
        if old.history is not None:
            self.stored_bytes += len("None") - (len(old.history[0][1]) if len(old.history) == self._history else 0)
            old.history.append((time_s, "None"))
            self.entries[key] = Entry("", time_text(time_s), time_s, history=old.history)
        else:
            del self.entries[key]
            self.stored_bytes -= len(key) + _ENTRY_BYTES

    def _forget_old_expiries(self) -> None:
        """Let go of the expiries of values that newer ones have taken the place of."""
        self._expiries = [(one.expires_s, key) for key, one in self.entries.items() if one.expires_s is not None and not one.expired]
        heapq.heapify(self._expiries)

    def _send(self, teller: Client | None, key: str, operator: str, value: str, time: str) -> None:
        interested = self._interested.get(key)
        if interested is None:
            interested = self._interested[key] = self._find_interested(key)
        with_time, without = interested
        if with_time:
            line = f"{time}@{key}{operator}{value}\n"
            for lines, _ in with_time:
                lines.append(line)
        if without:
            line = f"{key}{operator}{value}\n"
            for lines, _ in without:
                lines.append(line)
        if teller is not None and teller.subscriptions:
            self._unsay(teller, with_time, without)

    @staticmethod
    def _unsay(teller: Client, with_time: _Interested, without: _Interested) -> None:
        """Take the line back from who told it: rarely is one both, and a look at each receiver would cost the others."""
        mine = id(teller.lines)
        if any(number == mine for _, number in with_time) or any(number == mine for _, number in without):
            teller.lines.pop()

    def _find_interested(self, key: str) -> tuple[_Interested, _Interested]:
        with_time: list[tuple[list[str], int]] = []
        without: list[tuple[list[str], int]] = []
        for client in self.clients.values():
            matching = [marked for text, marked in client.subscriptions.items() if text in key]
            if matching:
                (with_time if any(matching) else without).append((client.lines, id(client.lines)))
        return tuple(with_time), tuple(without)

    def _other(  # noqa: C901 — one case an operator
        self,
        mine: Client,
        operator: str,
        key: str,
        value: str,
        time: str | None,
        sign: str | None,
        ttl: str | None,
        mark: str | None,
        now_s: float,
    ) -> bool:
        """Do what is no tell; return whether it makes sense."""
        match operator:
            case words.ASK if mark and time and ttl:
                self._tell_history(mine, key, float(time), sign, float(ttl), value)
            case words.ASK:
                self._answer(mine, key, bool(mark), now_s)
            case words.WILDCARD:
                for found in [found for found in self.entries if key in found]:
                    if self.entries[found].value:
                        self._answer(mine, found, bool(mark), now_s)
            case words.SUBSCRIBE:
                if len(mine.subscriptions) < _MOST_SUBSCRIPTIONS:
                    mine.subscriptions[key] = bool(mark)
                    self._interested.clear()
            case words.UNSUBSCRIBE:
                mine.subscriptions.pop(key, None)
                self._interested.clear()
            case words.TELL_EXPIRED:
                # Value with the shortest ttl: a key that somebody calls expired is so for readers and subscribers alike.
                old = self.entries.get(key)
                told = value or (old.value if old is not None else "")
                self.tell(mine, key, told, time or time_text(now_s), "+", f"{TOLD_EXPIRED_TTL_S}")
            case words.LOCK:
                return self._lock(mine, key, value, float(ttl) if ttl else DEFAULT_LOCK_TTL_S, now_s)
            case words.REWRITE:
                self._rewrite(key, value.lower())
        return True

    def _answer(self, mine: Client, key: str, marked: bool, now_s: float) -> None:
        entry = self.entries.get(key)
        if entry is None or not entry.value:
            stamp = f"{time_text(now_s)}@" if marked else ""
            mine.lines.append(f"{stamp}{key}{words.TELL_EXPIRED}\n")
            return
        expired = entry.expired or (entry.expires_s is not None and entry.expires_s <= now_s)
        operator = words.TELL_EXPIRED if expired else words.TELL
        stamp = f"{entry.time}{'' if expired else entry.ttl}@" if marked else ""
        mine.lines.append(f"{stamp}{key}{operator}{entry.value}\n")

    def _tell_history(self, mine: Client, key: str, begin_s: float, sign: str | None, end: float, interval: str) -> None:
        """Tell the values of a time, the last one before it first; `interval` is the least time between two, in seconds."""
        entry, end_s = self.entries.get(key), end if sign == "-" else begin_s + end
        least_s = float(interval) if interval.replace(".", "", 1).isdigit() else 0.0
        values = list(entry.history) if entry is not None and entry.history is not None else []
        before = [one for one in values if one[0] < begin_s][-1:]
        last_s = float("-inf")
        for time_s, value in (*before, *(one for one in values if begin_s <= one[0] <= end_s)):
            if time_s - last_s >= least_s:
                mine.lines.append(f"{time_text(time_s)}@{key}{words.TELL}{value}\n")
                last_s = time_s

    def _lock(self, mine: Client, key: str, value: str, ttl_s: float, now_s: float) -> bool:
        wants, who = value[:1], value[1:]
        if wants not in ("+", "-") or not who:
            return False
        lock = self._locks.get(key)
        held = lock.holder if lock is not None and lock.expires_s > now_s else ""
        if held and held != who:
            mine.lines.append(f"{key}{words.LOCK}{held}\n")
            return True
        if wants == "+":
            if len(self._locks) >= _MOST_LOCKS:
                self._locks = {name: one for name, one in self._locks.items() if one.expires_s > now_s}
                if len(self._locks) >= _MOST_LOCKS:
                    self.refused += 1
                    return False
            self._locks[key] = Lock(who, now_s + ttl_s)
        else:
            self._locks.pop(key, None)
        mine.lines.append(f"{key}{words.LOCK}\n")
        return True

    def _rewrite(self, further: str, category: str) -> None:
        """Have all keys of `category` go to the category `further`, too; without one end that."""
        old = self._copy_of.pop(further, None)
        if old is not None:
            self._copies[old].discard(further)
        if category:
            self._copy_of[further] = category
            self._copies.setdefault(category, set()).add(further)
        self._copies = {name: copies for name, copies in self._copies.items() if copies}
