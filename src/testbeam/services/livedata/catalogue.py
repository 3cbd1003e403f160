"""Catalogue of an instrument's workflows: those of its monitors, views, cameras and logs, and those that packages bring.

A package offers workflows by an entry point of the group `testbeam.workflows`: a function that takes the instrument and returns specs.
"""

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from testbeam.errors import SettingsError
from testbeam.instruments.loader import Detector, Instrument, Log, Monitor, View
from testbeam.services.livedata.workflows.seam import Spec, Workflow

GROUP = "testbeam.workflows"
SERVICES = ("monitor_data", "detector_data", "data_reduction", "timeseries")
_POSITION = "position"


def catalogue(instrument: Instrument) -> dict[tuple[str, int], Spec]:
    """Return the specs by name and version.

    Raises:
        SettingsError: a package offers a workflow that is there already, or can't be loaded.
    """
    found: dict[tuple[str, int], Spec] = {}
    for spec in (*_own(instrument), *_offered(instrument)):
        if (spec.name, spec.version) in found or spec.service not in SERVICES:
            raise SettingsError("workflow", f"{spec.name}/{spec.version}", f"a name that is free, and one of the services {SERVICES}")
        found[spec.name, spec.version] = spec
    return found


def _own(instrument: Instrument) -> list[Spec]:
    specs = [_monitors(instrument)] if instrument.monitors else []
    specs += [_view(instrument, view) for view in instrument.views]
    specs += [_area(one.name) for one in instrument.area_detectors]
    specs += [_totals(instrument.detectors)] if instrument.detectors else []
    specs += [_logs(instrument.logs)] if instrument.logs else []
    flat = tuple(one for one in instrument.detectors if one.flat is not None)
    if flat and instrument.monitors and find_spec("scippneutron") is not None:
        specs.append(_i_of_q(flat, instrument.monitors))
    return specs


def _monitors(instrument: Instrument) -> Spec:
    monitors: dict[str, Monitor] = {one.name: one for one in instrument.monitors}

    def make(source: str, params: Mapping[str, Any], aux: Mapping[str, str]) -> Workflow:
        from testbeam.services.livedata.workflows import monitor_histogram

        del aux
        return monitor_histogram.make(params, monitors[source].distance_m)

    return Spec(
        name="monitor_histogram",
        service="monitor_data",
        title="Beam monitor",
        sources=tuple(monitors),
        make=make,
        device_output="counts_total_cumulative",
    )


def _view(instrument: Instrument, view: View) -> Spec:
    detectors: dict[str, Detector] = {name: instrument.detector(name) for name in view.detectors}
    units = next((one.units for one in instrument.logs if one.name == view.position), "")

    def make(source: str, params: Mapping[str, Any], aux: Mapping[str, str]) -> Workflow:
        from testbeam.instruments.projections import table_of
        from testbeam.services.livedata.workflows import detector_view

        del aux
        detector = detectors[source]
        return detector_view.make(detector, view, table_of(instrument, detector, view), params, units)

    return Spec(
        name=view.name,
        service="detector_data",
        title=view.title,
        sources=view.detectors,
        make=make,
        device_output="counts_total_cumulative" if view.device else "",
        regions=view.regions,
        aux={_POSITION: (view.position,)} if view.position else {},
        gates=bool(view.position),
        moves_with=_POSITION if view.position else "",
        tolerance=view.position_tolerance,
    )


def _area(name: str) -> Spec:
    def make(source: str, params: Mapping[str, Any], aux: Mapping[str, str]) -> Workflow:
        from testbeam.services.livedata.workflows.area_view import AreaView

        del source, params, aux
        return AreaView()

    return Spec(
        name=f"{name}_xy",
        service="detector_data",
        title="Area detector",
        sources=(name,),
        make=make,
        device_output="counts_total_cumulative",
    )


def _totals(detectors: tuple[Detector, ...]) -> Spec:
    def make(source: str, params: Mapping[str, Any], aux: Mapping[str, str]) -> Workflow:
        from testbeam.services.livedata.workflows.total_counts import TotalCounts

        del source, params, aux
        return TotalCounts()

    return Spec(
        name="total_counts", service="data_reduction", title="Total counts", sources=tuple(one.name for one in detectors), make=make
    )


def _i_of_q(detectors: tuple[Detector, ...], monitors: tuple[Monitor, ...]) -> Spec:
    by_name = {one.name: one for one in detectors}

    def make(source: str, params: Mapping[str, Any], aux: Mapping[str, str]) -> Workflow:
        from testbeam.services.livedata.workflows import i_of_q

        return i_of_q.make(by_name[source], aux["monitor"], params)

    return Spec(
        name="i_of_q",
        service="data_reduction",
        title="I(Q)",
        sources=tuple(by_name),
        make=make,
        aux={"monitor": tuple(one.name for one in monitors)},
    )


def _logs(logs: tuple[Log, ...]) -> Spec:
    units = {one.name: one.units for one in logs}

    def make(source: str, params: Mapping[str, Any], aux: Mapping[str, str]) -> Workflow:
        from testbeam.services.livedata.workflows.timeseries import Timeseries

        del params, aux
        return Timeseries(units[source])

    return Spec(
        name="timeseries_data",
        service="timeseries",
        title="Readings",
        sources=tuple(units),
        make=make,
        supports_reset=False,
        reset_on_run_transition=False,
    )


def _offered(instrument: Instrument) -> list[Spec]:
    from importlib.metadata import entry_points

    specs: list[Spec] = []
    for offer in entry_points(group=GROUP):
        try:
            specs += offer.load()(instrument)
        except Exception as error:  # another package's code: ours can be used all the same
            logging.getLogger("livedata").warning("workflows of %s can't be used: %s: %s", offer.value, type(error).__name__, error)
    return specs
