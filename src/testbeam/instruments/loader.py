"""Loader of instrument files: JSON, one file an instrument, those that are shipped by name and others by path.

A detector's pixels are numbered from `first_id` on, the last of its dimensions fastest. A view arranges them as an image: each of its
axes is one dimension of the detector, or several flattened in order; dimensions that are not named are summed over, one that is selected
keeps a single index. A view with projections shows instead where the pixels are, as seen from the sample. Nothing here needs numpy;
`pixels.py` and `projections.py` make the tables.

Topics are `<prefix>_<what>`; the prefix is the instrument's name unless its file or the caller gives another. In production some sources
lie on topics of their own (`production`).
Source: docs/reference/contracts/livedata.md, "Instruments".
"""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

from testbeam.errors import SettingsError

SCREENS = {  # a plane across the beam, and cylinders about an axis: their axes
    "xy_plane": {"x", "y"},
    "cylinder_mantle_y": {"arc_length", "y"},
    "cylinder_mantle_z": {"arc_length", "z"},
}
MOST_SCREEN_BINS = 4096  # along one axis
COORDINATES = ("cartesian", "cylindrical")

Place: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaStream:
    """The messages of one source on one topic."""

    topic: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NeutronSource:
    """What the neutrons come from, `distance_m` upstream of the sample."""

    name: str
    distance_m: float
    frequency_hz: float
    type: str = "Spallation Neutron Source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """A flat panel of square pixels, centred on the beam and across it."""

    distance_m: float  # from the sample
    pitch_m: float

    def offsets_m(self, pixels: int) -> list[float]:
        """Return the middles of so many pixels in a row, to the nanometre."""
        return [round((i - (pixels - 1) / 2) * self.pitch_m, 9) for i in range(pixels)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Pixels at equal steps: one lies at `origin` plus its index times the step of each dimension, from the sample.

    Cartesian are x, y up and z along the beam in metres, cylindrical the radius in metres, the angle from x to y in degrees, and z.
    """

    origin: Place
    steps: Mapping[str, Place]
    coordinates: str = "cartesian"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """One bank of pixels: `dims` are names and sizes, the slowest first; several sources may send its events.

    `flight_path_m` is from the neutron source, the same for all pixels: what wavelengths are computed with.
    """

    name: str
    title: str
    first_id: int
    dims: Mapping[str, int]
    sources: tuple[str, ...]
    production: tuple[KafkaStream, ...]
    flight_path_m: float | None = None
    flat: Flat | None = None
    lattice: Lattice | None = None

    @property
    def pixels(self) -> int:
        """Return how many pixels there are."""
        return prod(self.dims.values())

    @property
    def last_id(self) -> int:
        """Return the id of the last pixel."""
        return self.first_id + self.pixels - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """One beam monitor; `distance_m` is from the neutron source."""

    name: str
    source: str
    production_source: str
    distance_m: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaDetector:
    """One camera; `shape` is rows and columns."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One PV whose values are logged as f144."""

    name: str
    source: str
    units: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Pixels as seen from the sample on one of `SCREENS`; `resolution` is axis → bins, and with `flip_x` x is negated."""

    screen: str
    resolution: Mapping[str, int]
    flip_x: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """Spectra of groups of pixels: axes as a view's; `grouped` pixels in a row go together, `parameter` says into how many groups."""

    axes: Mapping[str, tuple[str, ...]]
    grouped: str
    parameter: str
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How detectors are shown: axis name → the dimensions it is made of, or the projection of each; `device` gives control a counter.

    `position` names the log that says where they are: counts begin anew where it changes by more than `position_tolerance`.
    """

    name: str
    title: str
    detectors: tuple[str, ...]
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    projections: Mapping[str, Projection] = field(default_factory=dict)
    spectrum: Spectrum | None = None
    select: Mapping[str, int] = field(default_factory=dict)
    regions: bool = True
    device: bool = False
    position: str = ""
    position_tolerance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One instrument; `geometry` is the path of a NeXus file that says where the pixels of its detectors are, "" for none."""

    name: str
    title: str
    prefix: str
    geometry: str = ""
    neutron_source: NeutronSource | None = None
    detectors: tuple[Detector, ...] = ()
    monitors: tuple[Monitor, ...] = ()
    area_detectors: tuple[AreaDetector, ...] = ()
    logs: tuple[Log, ...] = ()
    views: tuple[View, ...] = ()

    def detector(self, name: str) -> Detector:
        """Return the detector of this name.

        Raises:
            SettingsError: there is none.
        """
        found: Detector = _named(self.detectors, name, f"a detector of {self.name}")
        return found


def shipped() -> tuple[str, ...]:
    """Return the names of the instruments that are shipped."""
    return tuple(sorted(one.name.removesuffix(".json") for one in resources.files(__package__).iterdir() if one.name.endswith(".json")))


def load(name_or_path: str | Path, *, prefix: str = "", geometry: str | Path = "") -> Instrument:
    """Return an instrument that is shipped, by name, or one of a file, by its path ending in .json.

    geometry: NeXus file with the places of its pixels, in place of what the instrument's file says.

    Raises:
        SettingsError: there is no such instrument, or its file is not what it has to be; names the file and the place in it.
    """
    where = str(name_or_path)
    try:
        document = json.loads(_text(where))
        instrument = _instrument(document, prefix)
        of_file = Path(where).parent / instrument.geometry if instrument.geometry else ""
        return replace(instrument, geometry=str(geometry or of_file))
    except json.JSONDecodeError as error:
        raise SettingsError("instrument", where, f"a JSON file; line {error.lineno}: {error.msg}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise SettingsError("instrument", where, f"an instrument as docs/how-to/an-instrument-of-your-own.md says; {what}") from None


def _text(where: str) -> str:
    if where.endswith(".json"):
        try:
            return Path(where).read_text(encoding="utf-8")
        except OSError as error:
            raise SettingsError("instrument", where, f"the path of a file that can be read ({error.strerror})") from None
    if where not in shipped():
        near = difflib.get_close_matches(where, shipped())
        raise SettingsError("instrument", where, f"one of {', '.join(near or shipped())}, or the path of a .json file")
    return resources.files(__package__).joinpath(f"{where}.json").read_text(encoding="utf-8")


def _instrument(document: Mapping[str, Any], prefix: str) -> Instrument:
    name = document["name"]
    instrument = Instrument(
        name=name,
        title=document.get("title", name),
        prefix=prefix or document.get("prefix", name),
        geometry=document.get("geometry", ""),
        neutron_source=NeutronSource(**document["neutron_source"]) if "neutron_source" in document else None,
        detectors=tuple(_detector(one) for one in document.get("detectors", ())),
        monitors=tuple(_monitor(one) for one in document.get("monitors", ())),
        area_detectors=tuple(AreaDetector(name=one["name"], shape=tuple(one["shape"])) for one in document.get("area_detectors", ())),
        logs=tuple(
            Log(name=one["name"], source=one.get("source", one["name"]), units=one.get("units", "")) for one in document.get("logs", ())
        ),
        views=tuple(_view(one) for one in document.get("views", ())),
    )
    _check(instrument)
    return instrument


def _detector(one: Mapping[str, Any]) -> Detector:
    sources = tuple(place["source"] for place in one.get("sources", ())) or (one["name"],)
    return Detector(
        name=one["name"],
        title=one.get("title", one["name"]),
        first_id=one["first_id"],
        dims=dict(one["dims"]),
        sources=sources,
        production=tuple(KafkaStream(topic=stream["topic"], source=stream["source"]) for stream in one.get("production", ())),
        flight_path_m=one.get("flight_path_m"),
        flat=Flat(**one["flat"]) if "flat" in one else None,
        lattice=_lattice(**one["lattice"]) if "lattice" in one else None,
    )


def _lattice(origin: Sequence[float], steps: Mapping[str, Sequence[float]], coordinates: str = COORDINATES[0]) -> Lattice:
    return Lattice(origin=_place(origin), steps={dim: _place(step) for dim, step in steps.items()}, coordinates=coordinates)


def _place(numbers: Sequence[float]) -> Place:
    a, b, c = map(float, numbers)
    return a, b, c


def _monitor(one: Mapping[str, Any]) -> Monitor:
    source = one.get("source", one["name"])
    return Monitor(
        name=one["name"], source=source, production_source=one.get("production_source", source), distance_m=one.get("distance_m")
    )


def _view(one: Mapping[str, Any]) -> View:
    return View(
        name=one["name"],
        title=one.get("title", one["name"]),
        detectors=tuple(one.get("projections", ()) or one["detectors"]),
        axes=_axes(one.get("axes", {})),
        projections={name: Projection(**projection) for name, projection in one.get("projections", {}).items()},
        spectrum=Spectrum(**{**one["spectrum"], "axes": _axes(one["spectrum"]["axes"])}) if "spectrum" in one else None,
        select=dict(one.get("select", {})),
        regions=one.get("regions", True),
        device=one.get("device", False),
        position=one.get("position", ""),
        position_tolerance=float(one.get("position_tolerance", 0.0)),
    )


def _axes(document: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {axis: tuple(dims) for axis, dims in document.items()}


def _check(instrument: Instrument) -> None:
    """Check what belongs together.

    Raises:
        ValueError: a name is there twice, pixel ids overlap, or a view names a detector or dimension that is not there.
    """
    _check_names(chain(instrument.detectors, instrument.monitors, instrument.area_detectors, instrument.logs), "source")
    _check_names(instrument.views, "view")
    last_id = 0
    for detector in sorted(instrument.detectors, key=lambda one: one.first_id):
        if detector.first_id <= last_id or not detector.dims or min(detector.dims.values()) < 1:
            raise ValueError(f"detector {detector.name}: pixel ids {detector.first_id}…{detector.last_id} overlap others, or are none")
        last_id = detector.last_id
        _check_lattice(detector)
    for view in instrument.views:
        _check_view(instrument, view)


def _check_lattice(detector: Detector) -> None:
    lattice = detector.lattice
    if lattice is None:
        return
    if lattice.coordinates not in COORDINATES:
        raise ValueError(f"lattice of {detector.name}: coordinates {lattice.coordinates!r} are none of {', '.join(COORDINATES)}")
    if not set(lattice.steps) <= set(detector.dims):
        raise ValueError(f"lattice of {detector.name}: steps {list(lattice.steps)} are not of its dimensions, {list(detector.dims)}")


def _check_names(things: Iterable[Any], what: str) -> None:
    seen: set[str] = set()
    for one in things:
        if one.name in seen:
            raise ValueError(f"{what} {one.name} is there twice")
        seen.add(one.name)


def _check_view(instrument: Instrument, view: View) -> None:
    if view.position:
        _named(instrument.logs, view.position, f"a log, as position of view {view.name}")
    for name in view.detectors:
        dims = _named(instrument.detectors, name, f"a detector, in view {view.name}").dims
        if (spectrum := view.spectrum) is not None:
            _check_spectrum(view.name, spectrum, dims)
        if (projection := view.projections.get(name)) is not None:
            _check_projection(view.name, projection)
            continue
        used = [*chain.from_iterable(view.axes.values()), *view.select]
        if len(set(used)) != len(used) or not view.axes or not set(used) <= set(dims):
            raise ValueError(f"view {view.name}: dimensions {used} are not those of {name}, {list(dims)}, each once at most")
        if any(not 0 <= index < dims[dim] for dim, index in view.select.items()):
            raise ValueError(f"view {view.name} selects beyond the dimensions of {name}")


def _check_spectrum(view: str, spectrum: Spectrum, dims: Mapping[str, int]) -> None:
    used = list(chain.from_iterable(spectrum.axes.values()))
    if len(set(used)) != len(used) or not used or not set(used) <= set(dims) or spectrum.grouped not in used:
        raise ValueError(f"spectrum of view {view}: dimensions {used} with {spectrum.grouped} are not of {list(dims)}, each once at most")
    if spectrum.groups < 1 or dims[spectrum.grouped] % spectrum.groups:
        raise ValueError(f"spectrum of view {view}: {spectrum.groups} groups do not divide {dims[spectrum.grouped]} of {spectrum.grouped}")


def _check_projection(view: str, projection: Projection) -> None:
    axes = SCREENS.get(projection.screen)
    if axes is None:
        raise ValueError(f"view {view}: screen {projection.screen!r} is none of {', '.join(SCREENS)}")
    if set(projection.resolution) != axes or not all(1 <= n <= MOST_SCREEN_BINS for n in projection.resolution.values()):
        bins = f"1 to {MOST_SCREEN_BINS} bins of {' and '.join(sorted(axes))}"
        raise ValueError(f"view {view}: the resolution of {projection.screen} is {bins}")


def _named(things: tuple[Any, ...], name: str, what: str) -> Any:
    for one in things:
        if one.name == name:
            return one
    raise SettingsError("name", name, f"{what}: {', '.join(one.name for one in things) or 'there are none'}")
