"""How does ess-streaming-data-types, our oracle, say and read the values of `testbeam.model`?"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from streaming_data_types import action_response_answ as answ
from streaming_data_types import alarm_al00 as al00
from streaming_data_types import area_detector_ad00 as ad00
from streaming_data_types import dataarray_da00 as da00
from streaming_data_types import epics_connection_ep01 as ep01
from streaming_data_types import eventdata_ev44 as ev44
from streaming_data_types import finished_writing_wrdn as wrdn
from streaming_data_types import forwarder_config_update_fc00 as fc00
from streaming_data_types import logdata_f144 as f144
from streaming_data_types import run_start_pl72 as pl72
from streaming_data_types import run_stop_6s4t as rs6s4t
from streaming_data_types import status_x5f2 as x5f2

from testbeam.model import arrays, forwarding, runs, samples, status
from testbeam.model.forwarding import Protocol, StreamSpec


class Library(NamedTuple):
    """One schema of the library, in terms of our values."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _encode_f144(v: samples.LogValue) -> bytes:
    return bytes(f144.serialise_f144(v.source_name, v.value, v.timestamp_ns))


def _decode_f144(buffer: bytes) -> samples.LogValue:
    got = f144.deserialise_f144(buffer)
    return samples.LogValue(source_name=got.source_name, value=np.asarray(got.value), timestamp_ns=got.timestamp_unix_ns)


def _encode_al00(v: samples.Alarm) -> bytes:
    return bytes(al00.serialise_al00(v.source_name, v.timestamp_ns, al00.Severity(int(v.severity)), v.message))


def _decode_al00(buffer: bytes) -> samples.Alarm:
    got = al00.deserialise_al00(buffer)
    severity = samples.Severity(got.severity.value)
    return samples.Alarm(source_name=got.source, timestamp_ns=got.timestamp_ns, severity=severity, message=got.message)


def _encode_ep01(v: samples.ConnectionChange) -> bytes:
    return bytes(ep01.serialise_ep01(v.timestamp_ns, ep01.ConnectionInfo(int(v.state)), v.source_name, v.service_id))


def _decode_ep01(buffer: bytes) -> samples.ConnectionChange:
    got = ep01.deserialise_ep01(buffer)
    state = samples.ConnectionState(got.status.value)
    return samples.ConnectionChange(source_name=got.source_name, timestamp_ns=got.timestamp, state=state, service_id=got.service_id)


def _encode_ev44(v: samples.Events) -> bytes:
    return bytes(
        ev44.serialise_ev44(v.source_name, v.message_id, v.reference_time_ns, v.reference_time_index, v.time_of_flight_ns, v.pixel_id)
    )


def _decode_ev44(buffer: bytes) -> samples.Events:
    got = ev44.deserialise_ev44(buffer)
    return samples.Events(
        source_name=got.source_name,
        message_id=got.message_id,
        reference_time_ns=got.reference_time,
        reference_time_index=got.reference_time_index,
        time_of_flight_ns=got.time_of_flight,
        pixel_id=got.pixel_id,
    )


def _encode_pl72(v: runs.RunStart) -> bytes:
    m = v.detector_spectrum_map
    return bytes(
        pl72.serialise_pl72(
            job_id=v.job_id,
            filename=v.filename,
            start_time=v.start_time_ms,
            stop_time=v.stop_time_ms,
            run_name=v.run_name,
            nexus_structure=v.nexus_structure,
            service_id=v.service_id,
            instrument_name=v.instrument_name,
            broker=v.broker,
            metadata=v.metadata,
            detector_spectrum_map=None if m is None else pl72.DetectorSpectrumMap(m.spectrum, m.detector_id, m.n_spectra),
            control_topic=v.control_topic,
        )
    )


def _decode_pl72(buffer: bytes) -> runs.RunStart:
    got = pl72.deserialise_pl72(buffer)
    m = got.detector_spectrum_map
    return runs.RunStart(
        job_id=got.job_id,
        filename=got.filename,
        nexus_structure=got.nexus_structure,
        control_topic=got.control_topic,
        start_time_ms=got.start_time,
        stop_time_ms=got.stop_time,
        run_name=got.run_name,
        instrument_name=got.instrument_name,
        service_id=got.service_id,
        broker=got.broker,
        metadata=got.metadata,
        detector_spectrum_map=None
        if m is None
        else runs.DetectorSpectrumMap(spectrum=m.spectrum_numbers, detector_id=m.detector_ids, n_spectra=m.n_spectra),
    )


def _encode_6s4t(v: runs.RunStop) -> bytes:
    return bytes(rs6s4t.serialise_6s4t(v.job_id, v.run_name, v.service_id, v.command_id, v.stop_time_ms))


def _decode_6s4t(buffer: bytes) -> runs.RunStop:
    got = rs6s4t.deserialise_6s4t(buffer)
    return runs.RunStop(
        job_id=got.job_id, command_id=got.command_id, stop_time_ms=got.stop_time, run_name=got.run_name, service_id=got.service_id
    )


def _encode_answ(v: runs.CommandAnswer) -> bytes:
    stop_time = datetime.fromtimestamp(v.stop_time_ms / 1000, tz=UTC)
    return bytes(answ.serialise_answ(v.service_id, v.job_id, v.command_id, v.action, v.outcome, v.message, v.status_code, stop_time))


def _decode_answ(buffer: bytes) -> runs.CommandAnswer:
    got = answ.deserialise_answ(buffer)
    return runs.CommandAnswer(
        service_id=got.service_id,
        job_id=got.job_id,
        command_id=got.command_id,
        action=runs.ActionType(got.action),
        outcome=runs.ActionOutcome(got.outcome),
        message=got.message,
        status_code=got.status_code,
        stop_time_ms=round(got.stop_time.timestamp() * 1000),
    )


def _encode_wrdn(v: runs.WritingFinished) -> bytes:
    return bytes(wrdn.serialise_wrdn(v.service_id, v.job_id, v.error_encountered, v.file_name, v.metadata or None, v.message or None))


def _decode_wrdn(buffer: bytes) -> runs.WritingFinished:
    got = wrdn.deserialise_wrdn(buffer)
    return runs.WritingFinished(
        service_id=got.service_id,
        job_id=got.job_id,
        error_encountered=got.error_encountered,
        file_name=got.file_name,
        metadata=got.metadata or "",
        message=got.message or "",
    )


def _encode_x5f2(v: status.ServiceStatus) -> bytes:
    return bytes(
        x5f2.serialise_x5f2(
            v.software_name, v.software_version, v.service_id, v.host_name, v.process_id, v.update_interval_ms, v.status_json
        )
    )


def _decode_x5f2(buffer: bytes) -> status.ServiceStatus:
    got = x5f2.deserialise_x5f2(buffer)
    return status.ServiceStatus(**{"update_interval_ms" if k == "update_interval" else k: v for k, v in got._asdict().items()})


def _encode_fc00(v: forwarding.ForwarderCommand) -> bytes:
    """Hand the streams over backwards, as the library puts them on the wire in reverse."""
    streams = [fc00.StreamInfo(s.channel, s.schema, s.topic, s.protocol, s.periodic) for s in reversed(v.streams)]
    return bytes(fc00.serialise_fc00(v.change, streams))


def _decode_fc00(buffer: bytes) -> forwarding.ForwarderCommand:
    got = fc00.deserialise_fc00(buffer)
    return forwarding.ForwarderCommand(
        change=forwarding.ConfigChange(got.config_change),
        streams=tuple(
            StreamSpec(channel=s.channel, schema=s.schema, topic=s.topic, protocol=Protocol(s.protocol), periodic=s.periodic)
            for s in got.streams
        ),
    )


def _encode_da00(v: arrays.LabelledArray) -> bytes:
    variables = [
        da00.Variable(name=one.name, data=one.data, axes=list(one.axes), unit=one.unit, label=one.label, source=one.source)
        for one in v.variables
    ]
    return bytes(da00.serialise_da00(v.source_name, v.timestamp_ns, variables))


def _decode_da00(buffer: bytes) -> arrays.LabelledArray:
    got = da00.deserialise_da00(buffer)
    return arrays.LabelledArray(
        source_name=got.source_name,
        timestamp_ns=got.timestamp_ns,
        variables=tuple(
            arrays.Variable(
                name=one.name, data=_data(one.data, one.shape), axes=tuple(one.axes), unit=one.unit, label=one.label, source=one.source
            )
            for one in got.data
        ),
    )


def _data(data: Any, shape: Any = None) -> Any:
    """Return text, or an array where the library makes a lone number a Python one, and forgets a shape without axes."""
    return data if isinstance(data, str) else np.asarray(data).reshape(np.shape(data) if shape is None else shape)


def _encode_ad00(v: arrays.AreaImage) -> bytes:
    attributes = [ad00.Attribute(one.name, one.description, one.source, one.data) for one in v.attributes]
    return bytes(ad00.serialise_ad00(v.source_name, v.unique_id, v.timestamp_ns, v.data, attributes))


def _decode_ad00(buffer: bytes) -> arrays.AreaImage:
    got = ad00.deserialise_ad00(buffer)
    return arrays.AreaImage(
        source_name=got.source_name,
        unique_id=got.unique_id,
        timestamp_ns=got.timestamp_ns,
        data=got.data,
        attributes=tuple(
            arrays.ImageAttribute(name=one.name, description=one.description, source=one.source, data=_data(one.data))
            for one in got.attributes
        ),
    )


LIBRARY: dict[str, Library] = {
    "6s4t": Library(_encode_6s4t, _decode_6s4t),
    "ad00": Library(_encode_ad00, _decode_ad00),
    "al00": Library(_encode_al00, _decode_al00),
    "answ": Library(_encode_answ, _decode_answ),
    "da00": Library(_encode_da00, _decode_da00),
    "ep01": Library(_encode_ep01, _decode_ep01),
    "ev44": Library(_encode_ev44, _decode_ev44),
    "f144": Library(_encode_f144, _decode_f144),
    "fc00": Library(_encode_fc00, _decode_fc00),
    "pl72": Library(_encode_pl72, _decode_pl72),
    "wrdn": Library(_encode_wrdn, _decode_wrdn),
    "x5f2": Library(_encode_x5f2, _decode_x5f2),
}
