"""Names of an instrument's topics: `<prefix>_<what>`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentTopics:
    """The topics that live data reads and writes.

    Source: docs/reference/contracts/livedata.md, "Topics".
    """

    prefix: str

    @property
    def detector(self) -> str:
        """Events of detectors (ev44)."""
        return f"{self.prefix}_detector"

    @property
    def beam_monitor(self) -> str:
        """Events or histograms of beam monitors (ev44, da00)."""
        return f"{self.prefix}_beam_monitor"

    @property
    def area_detector(self) -> str:
        """Images of cameras (ad00)."""
        return f"{self.prefix}_area_detector"

    @property
    def motion(self) -> str:
        """Values of PVs (f144)."""
        return f"{self.prefix}_motion"

    @property
    def run_control(self) -> str:
        """Starts and stops of runs (pl72, 6s4t)."""
        return f"{self.prefix}_filewriter"

    @property
    def results(self) -> str:
        """Histograms, images, counts (da00)."""
        return f"{self.prefix}_livedata_data"

    @property
    def devices(self) -> str:
        """Counts under names that control knows (da00)."""
        return f"{self.prefix}_livedata_nicos_data"

    @property
    def regions(self) -> str:
        """Regions of interest (da00)."""
        return f"{self.prefix}_livedata_roi"

    @property
    def commands(self) -> str:
        """Commands to live data (JSON)."""
        return f"{self.prefix}_livedata_commands"

    @property
    def responses(self) -> str:
        """Answers to commands (JSON)."""
        return f"{self.prefix}_livedata_responses"

    @property
    def heartbeat(self) -> str:
        """What workers and jobs say of themselves (x5f2)."""
        return f"{self.prefix}_livedata_heartbeat"

    @property
    def jobs(self) -> str:
        """Jobs of workers that share them, to be taken over (JSON); ours alone."""
        return f"{self.prefix}_livedata_jobs"

    @property
    def own(self) -> tuple[str, ...]:
        """Return those that only live data uses."""
        return (self.results, self.devices, self.regions, self.commands, self.responses, self.heartbeat)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return those that data come from."""
        return (self.detector, self.beam_monitor, self.area_detector, self.motion, self.run_control)
