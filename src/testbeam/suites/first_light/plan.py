"""Plan of a smoke run, as values: which PVs go to which topic by which protocol, what the file looks like, when it is written."""

import uuid
from dataclasses import dataclass, field

from testbeam.instruments.loader import load
from testbeam.instruments.nexus_structure import fragment
from testbeam.model.forwarding import Protocol, StreamSpec
from testbeam.nexus import compose
from testbeam.stacks.topics import Topics

PULSES_PER_S = 14
FILE_NAME = "smoke.nxs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pv:
    """One record of the demo IOC as the run uses it; `dtype` is that of its values in the file."""

    name: str
    protocol: Protocol
    dtype: str = "double"
    units: str = ""


PVS = (
    Pv(name="VOLT", protocol=Protocol.PVA, units="V"),
    Pv(name="VOLT-RB", protocol=Protocol.PVA, units="V"),
    Pv(name="COUNT", protocol=Protocol.PVA),
    Pv(name="MODE-RB", protocol=Protocol.PVA, dtype="int32"),
    Pv(name="TEMP", protocol=Protocol.CA, units="K"),
    Pv(name="CYCLES", protocol=Protocol.CA, dtype="int32"),
    Pv(name="POWER-RB", protocol=Protocol.CA, dtype="int32"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run: `pulses` pulses of `events_per_pulse` events while set points are swept in `steps` steps."""

    seed: int = 0
    events: int = 1_000_000
    pulses: int = 80
    steps: int = 20
    pv_prefix: str = "TB:"
    topics: Topics = field(default_factory=Topics)
    job_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def events_per_pulse(self) -> int:
        """Return how many events each pulse brings to the panel, so that the window holds about `events`."""
        return max(round(self.events / self.pulses), 1)

    def streams(self) -> tuple[StreamSpec, ...]:
        """Return what the forwarder is asked for."""
        return tuple(
            StreamSpec(channel=self.pv_prefix + pv.name, schema="f144", topic=self.topics.motion, protocol=pv.protocol) for pv in PVS
        )

    def set_points(self) -> list[tuple[float, float]]:
        """Return (VOLT, TEMP) of each step: up through both alarm limits, and back to where no alarm is."""
        up = [k / (self.steps - 2) for k in range(self.steps - 1)]
        return [(95 * x, 120 + 290 * x) for x in up] + [(20.0, 293.15)]

    def window_ms(self, now_ms: int) -> tuple[int, int]:
        """Return start and stop of the job in ms since 1970, each half-way between two pulses, so that whole pulses lie between."""
        first = now_ms * PULSES_PER_S // 1000 + 1
        half_way = [(2 * pulse - 1) * 500 // PULSES_PER_S for pulse in (first, first + self.pulses)]
        return half_way[0], half_way[1]

    def nexus_structure(self) -> str:
        """Return the file's tree: the shipped instrument with its event streams, and a log of every PV."""
        logs = [
            compose.log(
                pv.name.lower().replace("-", "_"), topic=self.topics.motion, source=self.pv_prefix + pv.name, dtype=pv.dtype, units=pv.units
            )
            for pv in PVS
        ]
        instrument = fragment(load("demo"), detector_topic=self.topics.detector, monitor_topic=self.topics.beam_monitor)
        entry = compose.group(
            "entry",
            "NXentry",
            compose.dataset("title", "testbeam smoke run"),
            compose.dataset("experiment_identifier", f"seed {self.seed}"),
            compose.dataset("entry_identifier_uuid", self.job_id),
            compose.dataset("program_name", "testbeam smoke"),
            {"module": "mdat", "config": {"items": ["start_time", "end_time"]}},
            compose.group("user", "NXuser", compose.dataset("name", "testbeam")),
            instrument,
            compose.group(
                "sample",
                "NXsample",
                compose.dataset("name", "silver behenate"),
                compose.dataset("depends_on", "."),
                compose.link("temperature_log", "../parameters/temp"),
            ),
            compose.group("parameters", "NXcollection", *logs),
            compose.group("temperature", "NXdata", *map(_of_temperature, ("value", "time")), signal="value", axes=["time"]),
            default="temperature",
        )
        return compose.nexus_structure(entry)


def _of_temperature(name: str) -> compose.Node:
    """Return a link to a dataset of the sample's temperature, which is what the file shows first."""
    return compose.link(name, f"../parameters/temp/{name}")
