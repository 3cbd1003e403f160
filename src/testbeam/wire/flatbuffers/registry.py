"""Codecs by schema id. To add a schema, add its module and one line here."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from testbeam.errors import WireError
from testbeam.wire.flatbuffers.schemas.alarm_al00 import decode_al00, encode_al00
from testbeam.wire.flatbuffers.schemas.alarmed_log_value_f142 import decode_f142, encode_f142
from testbeam.wire.flatbuffers.schemas.area_image_ad00 import decode_ad00, encode_ad00
from testbeam.wire.flatbuffers.schemas.area_image_adar import decode_adar, encode_adar
from testbeam.wire.flatbuffers.schemas.area_image_ndar import decode_ndar, encode_ndar
from testbeam.wire.flatbuffers.schemas.cache_entry_ns10 import decode_ns10, encode_ns10
from testbeam.wire.flatbuffers.schemas.command_answer_answ import decode_answ, encode_answ
from testbeam.wire.flatbuffers.schemas.connection_change_ep00 import decode_ep00, encode_ep00
from testbeam.wire.flatbuffers.schemas.connection_change_ep01 import decode_ep01, encode_ep01
from testbeam.wire.flatbuffers.schemas.events_ev44 import decode_ev44, encode_ev44
from testbeam.wire.flatbuffers.schemas.forwarder_command_fc00 import decode_fc00, encode_fc00
from testbeam.wire.flatbuffers.schemas.forwarder_command_rf5k import decode_rf5k, encode_rf5k
from testbeam.wire.flatbuffers.schemas.histogram_hs00 import decode_hs00, encode_hs00
from testbeam.wire.flatbuffers.schemas.histogram_hs01 import decode_hs01, encode_hs01
from testbeam.wire.flatbuffers.schemas.labelled_array_da00 import decode_da00, encode_da00
from testbeam.wire.flatbuffers.schemas.log_value_f144 import decode_f144, encode_f144
from testbeam.wire.flatbuffers.schemas.pulse_events_ev42 import decode_ev42, encode_ev42
from testbeam.wire.flatbuffers.schemas.run_start_pl72 import decode_pl72, encode_pl72
from testbeam.wire.flatbuffers.schemas.run_stop_6s4t import decode_6s4t, encode_6s4t
from testbeam.wire.flatbuffers.schemas.sample_series_se00 import decode_se00, encode_se00
from testbeam.wire.flatbuffers.schemas.sample_series_senv import decode_senv, encode_senv
from testbeam.wire.flatbuffers.schemas.service_status_x5f2 import decode_x5f2, encode_x5f2
from testbeam.wire.flatbuffers.schemas.time_series_tdct import decode_tdct, encode_tdct
from testbeam.wire.flatbuffers.schemas.units_change_un00 import decode_un00, encode_un00
from testbeam.wire.flatbuffers.schemas.writing_finished_wrdn import decode_wrdn, encode_wrdn

_CODECS: dict[str, tuple[Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "6s4t": (encode_6s4t, decode_6s4t),
    "ADAr": (encode_adar, decode_adar),
    "NDAr": (encode_ndar, decode_ndar),
    "ad00": (encode_ad00, decode_ad00),
    "al00": (encode_al00, decode_al00),
    "answ": (encode_answ, decode_answ),
    "da00": (encode_da00, decode_da00),
    "ep00": (encode_ep00, decode_ep00),
    "ep01": (encode_ep01, decode_ep01),
    "ev42": (encode_ev42, decode_ev42),
    "ev44": (encode_ev44, decode_ev44),
    "f142": (encode_f142, decode_f142),
    "f144": (encode_f144, decode_f144),
    "fc00": (encode_fc00, decode_fc00),
    "hs00": (encode_hs00, decode_hs00),
    "hs01": (encode_hs01, decode_hs01),
    "ns10": (encode_ns10, decode_ns10),
    "pl72": (encode_pl72, decode_pl72),
    "rf5k": (encode_rf5k, decode_rf5k),
    "se00": (encode_se00, decode_se00),
    "senv": (encode_senv, decode_senv),
    "tdct": (encode_tdct, decode_tdct),
    "un00": (encode_un00, decode_un00),
    "wrdn": (encode_wrdn, decode_wrdn),
    "x5f2": (encode_x5f2, decode_x5f2),
}

ENCODERS: Mapping[str, Callable[[Any], bytes]] = MappingProxyType({name: encode for name, (encode, _) in _CODECS.items()})
DECODERS: Mapping[str, Callable[[bytes], Any]] = MappingProxyType({name: decode for name, (_, decode) in _CODECS.items()})


def schema_id(buffer: bytes) -> str:
    """Return the four characters at offset 4 that name the schema, whether or not it is known.

    Raises:
        WireError: the buffer has less than 8 bytes.
    """
    if len(buffer) < 8:
        raise WireError("unknown schema", f"{len(buffer)} bytes are too short for a message, which has at least 8")
    return buffer[4:8].decode("latin-1")


def decode(buffer: bytes) -> Any:
    """Return the value of a message of any known schema.

    Raises:
        WireError: the schema is unknown, or the buffer is not a valid message of it.
    """
    name = schema_id(buffer)
    decoder = DECODERS.get(name)
    if decoder is None:
        raise WireError(repr(name), f"unknown schema; known are {', '.join(DECODERS)}")
    return decoder(buffer)
