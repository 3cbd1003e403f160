"""NeXus structure of an instrument: its NXinstrument group with source, detectors, monitors and their event streams.

Detectors that the instrument's file gives a shape have pixel offsets, `flat` ones a place along the beam, too; of others only the detector
numbers are known. The sample is at 0. numpy is needed for a `lattice` alone, HDF5 never.
Source: docs/reference/contracts/filewriter.md, "NeXus structure JSON".
"""

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

from testbeam.instruments.loader import Detector, Instrument, Monitor, NeutronSource
from testbeam.instruments.topics import InstrumentTopics
from testbeam.nexus.compose import Node, dataset, group, stream

_DIGITS = 9  # of a length in metres: to the nanometre


def fragment(
    instrument: Instrument, *, detector_topic: str = "", monitor_topic: str = "", sources: Mapping[str, str] | None = None
) -> Node:
    """Return the NXinstrument node, to be a child of an NXentry.

    Events go to `instrument/<detector>/<detector>_events` and `instrument/<monitor>/<monitor>_events`. The topics are the instrument's
    own unless others are given; `sources`: names of detectors and monitors whose events come under another source name.
    """
    topics, renamed = InstrumentTopics(prefix=instrument.prefix), dict(sources or {})
    detector_topic, monitor_topic = detector_topic or topics.detector, monitor_topic or topics.beam_monitor
    return group(
        "instrument",
        "NXinstrument",
        dataset("name", instrument.title, short_name=instrument.name),
        *([_source(instrument.neutron_source)] if instrument.neutron_source else []),
        *(_monitor(instrument, monitor, monitor_topic, renamed.get(monitor.name, monitor.source)) for monitor in instrument.monitors),
        *(_detector(detector, detector_topic, renamed) for detector in instrument.detectors),
    )


def _source(source: NeutronSource) -> Node:
    return group(
        "source",
        "NXsource",
        dataset("name", source.name),
        dataset("type", source.type),
        dataset("probe", "neutron"),
        dataset("frequency", source.frequency_hz, units="Hz"),
        *_at(-source.distance_m),
    )


def _monitor(instrument: Instrument, monitor: Monitor, topic: str, source: str) -> Node:
    origin, distance_m = instrument.neutron_source, monitor.distance_m
    place = () if origin is None or distance_m is None else _at(distance_m - origin.distance_m)
    return group(monitor.name, "NXmonitor", *place, _events(f"{monitor.name}_events", topic, source))


def _detector(detector: Detector, topic: str, renamed: Mapping[str, str]) -> Node:
    names = [renamed.get(detector.name, source) for source in detector.sources]
    streams = [_events(f"{detector.name if len(names) == 1 else source}_events", topic, source) for source in names]
    shape = tuple(detector.dims.values())
    if detector.flat is None:
        numbers = dataset("detector_number", _numbers(detector.first_id, shape), "int32")
        return group(detector.name, "NXdetector", numbers, *_offsets(detector), *streams, axes=list(detector.dims))
    rows, columns = prod(shape[:-1]), shape[-1]
    return group(
        detector.name,
        "NXdetector",
        dataset("detector_number", _numbers(detector.first_id, (rows, columns)), "int32"),
        dataset("x_pixel_offset", detector.flat.offsets_m(columns), units="m"),
        dataset("y_pixel_offset", detector.flat.offsets_m(rows), units="m"),
        *_at(detector.flat.distance_m),
        *streams,
        axes=["y_pixel_offset", "x_pixel_offset"],
    )


def _offsets(detector: Detector) -> Iterable[Node]:
    if detector.lattice is None:
        return ()
    from testbeam.instruments.projections import positions_of  # late: numpy

    places = positions_of(detector).round(_DIGITS).reshape(*detector.dims.values(), 3)
    of_axes = [dataset(f"{axis}_pixel_offset", places[..., i].tolist(), units="m") for i, axis in enumerate("xyz")]
    return *of_axes, dataset("depends_on", ".")


def _events(name: str, topic: str, source: str) -> Node:
    return group(name, "NXevent_data", stream("ev44", topic=topic, source=source))


def _at(z_m: float) -> Iterable[Node]:
    """Return what places a group along the beam, downstream of the sample where `z_m` is positive."""
    z_m = round(z_m, _DIGITS)
    beam: dict[str, Any] = {"transformation_type": "translation", "units": "m", "vector": [0.0, 0.0, 1.0], "depends_on": "."}
    return (
        dataset("distance", z_m, units="m"),
        dataset("depends_on", "transformations/translation"),
        group("transformations", "NXtransformations", dataset("translation", z_m, **beam)),
    )


def _numbers(first: int, shape: Sequence[int]) -> list[Any]:
    """Return numbers from `first` on in this shape, the last dimension fastest."""
    if len(shape) == 1:
        return list(range(first, first + shape[0]))
    step = prod(shape[1:])
    return [_numbers(first + step * i, shape[1:]) for i in range(shape[0])]
