"""Motion of the simulated devices. Pure: times (monotonic s) come in."""

from dataclasses import dataclass


@dataclass(slots=True)
class Follower:
    """A readback that takes over the set point after a delay."""

    delay_s: float
    value: float = 0.0
    target: float = 0.0
    due_s: float = 0.0

    def put(self, target: float, now_s: float) -> None:
        """Take a set point."""
        self.target, self.due_s = target, now_s + self.delay_s

    def look(self, now_s: float) -> float:
        """Return the readback."""
        if now_s >= self.due_s:
            self.value = self.target
        return self.value


@dataclass(slots=True)
class Motor:
    """A motor: moves at `speed`, shows so `lag_s` late, stands at its limits; a deaf one does not hear a stop."""

    speed: float
    lag_s: float = 0.0
    low: float = -100.0
    high: float = 100.0
    place: float = 0.0
    target: float = 0.0
    deaf: bool = False
    moving: bool = False
    at_s: float = 0.0
    begun_s: float = 0.0

    def put(self, target: float, now_s: float) -> None:
        """Begin to move; a target outside the limits is refused, as a motor record does."""
        self.look(now_s)
        if not self.low <= target <= self.high:
            return
        self.target, self.moving, self.at_s, self.begun_s = target, True, now_s, now_s

    def stop(self, now_s: float) -> None:
        """Stand still."""
        self.look(now_s)
        if not self.deaf:
            self.moving = False
            self.target = self.place

    def look(self, now_s: float) -> float:
        """Return the place."""
        begin_s = max(self.at_s, self.begun_s + self.lag_s)
        if self.moving and now_s > begin_s:
            way = self.speed * (now_s - begin_s)
            left = self.target - self.place
            if abs(left) <= way:
                self.place, self.moving = self.target, False
            else:
                self.place += way if left > 0 else -way
        self.at_s = now_s
        return self.place

    def shows_done(self, now_s: float) -> bool:
        """Return the done flag, which falls late by the lag."""
        return not (self.moving and now_s >= self.begun_s + self.lag_s)
