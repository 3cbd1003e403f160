"""The pl72 message: start a file-writing job.

Source: pl72_run_start.fbs, df12_det_spec_map.fbs.
"""

from typing import Any

from testbeam.model.runs import DetectorSpectrumMap, RunStart
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Nested, Scalar, String, Table, Vector

_MAP = Table("detector_spectrum_map", (Vector("spectrum", 0, "<i4"), Vector("detector_id", 1, "<i4"), Scalar("n_spectra", 2, "i")))

PL72 = Table(
    "pl72",
    (
        Scalar("start_time", 0, "Q"),
        Scalar("stop_time", 1, "Q"),
        String("run_name", 2),
        String("instrument_name", 3),
        String("nexus_structure", 4),
        String("job_id", 5),
        String("broker", 6),
        String("service_id", 7),
        String("filename", 8),
        Scalar("n_periods", 9, "I", default=1),
        Nested("detector_spectrum_map", 10, _MAP),
        String("metadata", 11),
        String("control_topic", 12),
    ),
    created="service_id broker job_id nexus_structure instrument_name run_name filename metadata control_topic detector_spectrum_map",
    added="service_id broker job_id nexus_structure instrument_name run_name stop_time start_time filename n_periods metadata "
    "detector_spectrum_map control_topic",
)


def decode_pl72(buffer: bytes) -> RunStart:
    """Return the run start; which fields a file-writer can't do without is for it to say.

    Raises:
        WireError: the buffer is not a valid pl72.
    """
    start, stop, run_name, instrument_name, structure, job_id, broker, service_id, filename, n_periods, spectra, metadata, topic = read(
        buffer, PL72
    )
    return RunStart(
        job_id=job_id,
        filename=filename,
        nexus_structure=structure,
        control_topic=topic,
        start_time_ms=start,
        stop_time_ms=stop,
        run_name=run_name,
        instrument_name=instrument_name,
        service_id=service_id,
        broker=broker,
        metadata=metadata,
        n_periods=n_periods,
        detector_spectrum_map=None if spectra is None else _spectrum_map(*spectra),
    )


def encode_pl72(start: RunStart) -> bytes:
    """Return the message.

    Raises:
        WireError: a value does not fit its field.
    """
    spectra = start.detector_spectrum_map
    return build(
        PL72,
        (
            start.start_time_ms,
            start.stop_time_ms,
            start.run_name,
            start.instrument_name,
            start.nexus_structure,
            start.job_id,
            start.broker,
            start.service_id,
            start.filename,
            start.n_periods,
            None if spectra is None else (spectra.spectrum, spectra.detector_id, spectra.n_spectra),
            start.metadata,
            start.control_topic,
        ),
    )


def _spectrum_map(spectrum: Any, detector_id: Any, n_spectra: int) -> DetectorSpectrumMap:
    return DetectorSpectrumMap(spectrum=spectrum, detector_id=detector_id, n_spectra=n_spectra)
