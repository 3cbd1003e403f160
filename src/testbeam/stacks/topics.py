"""Topics of the reference stack: one instrument's names, all from its prefix."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """The topics of one instrument, named as the facility names them: `<prefix>_<what>`."""

    prefix: str = "tb"

    @property
    def detector(self) -> str:
        """Events of the panel (ev44)."""
        return f"{self.prefix}_detector"

    @property
    def beam_monitor(self) -> str:
        """Events of the beam monitor (ev44)."""
        return f"{self.prefix}_beam_monitor"

    @property
    def motion(self) -> str:
        """PV updates from the forwarder (f144, al00, ep01)."""
        return f"{self.prefix}_motion"

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
        """Every one, to be created when the broker is up."""
        return tuple(getattr(self, name) for name, kind in vars(type(self)).items() if isinstance(kind, property) and name != "all")
