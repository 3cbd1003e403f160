"""Fault methods of every handle: `paused`, `killed`, `link`, `disk_full`, `slow_consumer`, `clock_shifted`."""

from typing import TYPE_CHECKING, Any

from testbeam.kit.protocols import HandleLike

if TYPE_CHECKING:
    from testbeam.kit.faults.clock import ClockShifted
    from testbeam.kit.faults.disk import DiskFull
    from testbeam.kit.faults.fault import Fault
    from testbeam.kit.faults.kill import Killed
    from testbeam.kit.faults.link import Direction, LinkFault
    from testbeam.kit.faults.pause import Paused
    from testbeam.kit.faults.slow import SlowConsumer


class FaultMethods:
    """Faults of a service. Each is a context manager, undone at the end of its block whatever happens; at a prompt, `begin` and `end` it.

    What can't be done is refused with a StackError when the block begins. Every fault is in the journal.
    """

    def paused(self: HandleLike, longest_s: float = 60.0) -> "Paused":
        """Stop the service's processes (SIGSTOP) for the block, or for `longest_s` if that is shorter."""
        from testbeam.kit.faults.pause import Paused  # late: most runs break nothing

        return Paused(self, longest_s)

    def killed(self: HandleLike) -> "Killed":
        """Kill the service (SIGKILL); at the end of the block start it on the same ports and folder, and wait until it is ready."""
        from testbeam.kit.faults.kill import Killed

        return Killed(self)

    def link(
        self: HandleLike,
        *,
        latency_ms: float = 0.0,
        jitter_ms: float = 0.0,
        rate_kbps: float = 0.0,
        slice_bytes: int = 0,
        slice_delay_ms: float = 0.0,
        limit_bytes: int = -1,
        slow_close_ms: float = 0.0,
        stalled: bool = False,
        black_hole: bool = False,
        reset: bool = False,
        down: bool = False,
        direction: "Direction" = "both",
        port: str = "",
        seed: int = 0,
    ) -> "LinkFault":
        """Give the service's clients a bad link, those that reach it through a relayed port (`Port.forwards_to`).

        latency_ms ± jitter_ms: delay in each direction. rate_kbps: kilobits a second. slice_bytes: send in such pieces,
        `slice_delay_ms` apart. limit_bytes: close a connection after so many more. slow_close_ms: pass on its end so much later.
        stalled: nothing moves, nothing is lost. black_hole: swallow all; connections that lost something are reset at the
        end. reset: reset all connections, old and new. down: reset them, and refuse new ones. direction: "upstream" is from client
        to service. port: one relayed port, default all. seed: of the jitter.
        """
        from testbeam.kit.faults.link import LinkFault
        from testbeam.kit.faults.proxy.conditions import Conditions

        conditions = Conditions(
            latency_ms=latency_ms,
            jitter_ms=jitter_ms,
            rate_kbps=rate_kbps,
            slice_bytes=slice_bytes,
            slice_delay_ms=slice_delay_ms,
            limit_bytes=limit_bytes,
            slow_close_ms=slow_close_ms,
            stalled=stalled,
            black_hole=black_hole,
            reset=reset,
            down=down,
            seed=seed,
        )
        return LinkFault(self, conditions, direction=direction, port=port)

    def disk_full(self: HandleLike, after_bytes: int = 0, limit_bytes: int | None = None) -> "DiskFull":
        """Let no file of the service grow more than `after_bytes` beyond the largest it has open: writes fail with EFBIG.

        With `limit_bytes` no write may go beyond that size, even into what a file has already; 0 has every write fail.
        """
        from testbeam.kit.faults.disk import DiskFull

        return DiskFull(self, after_bytes, limit_bytes)

    def slow_consumer(self: HandleLike, share: float = 0.1, period_s: float = 0.1) -> "SlowConsumer":
        """Let the service run for that share of each period only, so that it falls behind."""
        from testbeam.kit.faults.slow import SlowConsumer

        return SlowConsumer(self, share, period_s)

    def clock_shifted(self: HandleLike, shift_s: float) -> "ClockShifted":
        """Move the wall clock of the service ahead, or back if negative; only for programs with an injected clock, as ours."""
        from testbeam.kit.faults.clock import ClockShifted

        return ClockShifted(self, shift_s)

    def fault(self: HandleLike, kind: str, **options: Any) -> "Fault":
        """Return a fault by the name of its word above, or "restarted", as schedules and other programs name them.

        Raises:
            StackError: there is no such fault, or an option of it is unknown.
        """
        from testbeam.kit.faults.registry import make

        return make(self, kind, options)
