"""A protocol ready to run: its commands, handlers and settings.

Source: docs/reference/contracts/ioc.md, "Protocols".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from testbeam.wire.streamdevice.coding import Units
from testbeam.wire.streamdevice.formats import Element


@dataclass(frozen=True, slots=True)
class Out:
    """Write a string; what has arrived until then is thrown away."""

    elements: tuple[Element, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class In:
    """Read one message, which must match."""

    elements: tuple[Element, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass."""

    ms: int


@dataclass(frozen=True, slots=True)
class Execute:
    """Run a command of the IOC shell."""

    elements: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect the port."""

    ms: int


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Disconnect the port."""


Command = Out | In | Wait | Execute | Connect | Disconnect


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The variables that StreamDevice itself reads; times in ms. A terminator that is None is left to the port."""

    lock_timeout_ms: int = 5000
    write_timeout_ms: int = 100
    reply_timeout_ms: int = 1000
    read_timeout_ms: int = 100
    poll_period_ms: int = 1000
    max_input: int = 0
    in_terminator: bytes | None = None
    out_terminator: bytes | None = None
    separator: Units = ()
    ignore_extra_input: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One protocol with its arguments put in."""

    name: str
    commands: tuple[Command, ...]
    handlers: Mapping[str, tuple[Command, ...]] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
