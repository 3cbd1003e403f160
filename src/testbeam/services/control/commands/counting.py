"""Counting: detectors start together, and end when each has its preset, or early where a user or a stop says so."""

from collections.abc import Mapping, Sequence
from typing import Any

from testbeam.errors import ControlError, DeviceError
from testbeam.services.control.commands.flow import Flow
from testbeam.services.control.devices.alias import resolved
from testbeam.services.control.devices.detector import Detector
from testbeam.services.control.devices.host import DeviceHost
from testbeam.wire.nicos.daemon_words import BreakLevel, MessageLevel

_LOOK_S = 0.02


def detectors_of(host: DeviceHost, names: Sequence[str]) -> list[Detector]:
    """Return the detectors of these names; raise DeviceError where one is none."""
    found = [resolved(host.get_device(name)) for name in names]
    for device in found:
        if not isinstance(device, Detector):
            raise DeviceError(f"{device.name} is no detector; SetDetectors takes devices with channels")
    return [device for device in found if isinstance(device, Detector)]


def count(host: DeviceHost, flow: Flow | None, detectors: Sequence[Detector], preset: Mapping[str, float]) -> list[Any]:
    """Count once; return what all channels have counted.

    Raises:
        ControlError: there is no detector, or no preset for any.
        ScriptStopped: a stop took hold; the detectors have ended.
    """
    if not detectors:
        raise ControlError("there is no detector to count with; SetDetectors(…) first")
    if not preset:
        raise ControlError("there is no preset; count(1) counts for a second")
    known = [name for detector in detectors for name in detector.presets_for(preset)]
    if not known:
        channels = ", ".join(channel.name for detector in detectors for channel in detector.channels)
        raise ControlError(f"no detector has a preset {', '.join(preset)}; there are t, {channels}")
    for detector in detectors:
        detector.start(preset)
    if host.simulated:
        host.sleep(max(detector.seconds_for(preset) for detector in detectors))
    else:
        _wait(host, flow, detectors)
    return [value for detector in detectors for value in detector.counted()]


def _wait(host: DeviceHost, flow: Flow | None, detectors: Sequence[Detector]) -> None:
    waiting = [detector for detector in detectors if detector.has_master]
    try:
        while waiting:
            host.woken.clear()
            waiting = [detector for detector in waiting if not _is_completed(host, detector)]
            if flow is not None and (flow.finish_early.is_set() or flow.stops_at(BreakLevel.NOW)):
                flow.finish_early.clear()
                break
            if flow is not None and flow.breaks_at(BreakLevel.NOW):
                _pause(host, detectors)
            if waiting:
                host.woken.wait(_LOOK_S)
    finally:
        problems = []
        for detector in detectors:
            try:
                detector.finish()
            except DeviceError as error:
                problems.append(str(error))
    if problems:
        host.log.say("", MessageLevel.WARNING, f"ending the count: {'; '.join(problems)}")
    host.breakpoint(BreakLevel.NOW)


def _is_completed(host: DeviceHost, detector: Detector) -> bool:
    """Ask a detector; an error of one channel is told and counting goes on, as the others' counts are still good."""
    try:
        return detector.is_completed()
    except DeviceError as error:
        host.log.say(detector.name, MessageLevel.WARNING, f"{error}; counting goes on")
        return False


def _pause(host: DeviceHost, detectors: Sequence[Detector]) -> None:
    """Let a break take hold; a detector that can't pause counts on, and that is told."""
    for detector in detectors:
        if not detector.pause():
            host.log.say(detector.name, MessageLevel.WARNING, "can't pause: it counts on")
    try:
        host.breakpoint(BreakLevel.NOW)
    finally:
        for detector in detectors:
            detector.resume()
