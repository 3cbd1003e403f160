"""Topics of the reference stack: one instrument's names, all from its prefix."""

from dataclasses import dataclass

from testbeam.instruments.topics import InstrumentTopics


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics(InstrumentTopics):
    """The topics of one instrument, named as the facility names them: those of live data, and those of the other services."""

    prefix: str = "tb"

    @property
    def pool(self) -> str:
        """Jobs for any idle file-writer (pl72)."""
        return f"{self.prefix}_filewriter_pool"

    @property
    def writer_status(self) -> str:
        """What idle file-writers say (x5f2, answ)."""
        return f"{self.prefix}_filewriter_status"

    @property
    def control(self) -> str:
        """Answers, status and stop commands of running jobs."""
        return f"{self.prefix}_filewriter_control"

    @property
    def forwarder_commands(self) -> str:
        """Changes to the forwarder's streams (fc00)."""
        return f"{self.prefix}_forwarder_commands"

    @property
    def forwarder_status(self) -> str:
        """What the forwarder says of itself (x5f2)."""
        return f"{self.prefix}_forwarder_status"

    @property
    def forwarder_storage(self) -> str:
        """The forwarder's streams, to be restored at its start (fc00)."""
        return f"{self.prefix}_forwarder_storage"

    @property
    def source_status(self) -> str:
        """What event sources say of themselves (x5f2)."""
        return f"{self.prefix}_source_status"

    @property
    def all(self) -> tuple[str, ...]:
        """Return those that the chain from device to file uses, to be created when its broker is up."""
        sent = (self.detector, self.beam_monitor, self.motion, self.source_status)
        writing = (self.pool, self.writer_status, self.control)
        return (*sent, *writing, self.forwarder_commands, self.forwarder_status, self.forwarder_storage)
