"""The wrdn message: a file is written and closed, or failed.

Source: wrdn_finished_writing.fbs.
"""

from testbeam.model.runs import WritingFinished
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table

WRDN = Table(
    "wrdn",
    (
        String("service_id", 0),
        String("job_id", 1),
        Scalar("error_encountered", 2, "?", default=False),
        String("file_name", 3),
        String("metadata", 4),
        String("message", 5),
    ),
)


def decode_wrdn(buffer: bytes) -> WritingFinished:
    """Return the news.

    Raises:
        WireError: the buffer is not a valid wrdn.
    """
    service_id, job_id, error_encountered, file_name, metadata, message = read(buffer, WRDN)
    return WritingFinished(
        service_id=service_id, job_id=job_id, error_encountered=error_encountered, file_name=file_name, metadata=metadata, message=message
    )


def encode_wrdn(news: WritingFinished) -> bytes:
    """Return the message; empty metadata and an empty message are left out.

    Raises:
        WireError: a value does not fit its field.
    """
    return build(
        WRDN,
        (news.service_id, news.job_id, news.error_encountered, news.file_name, news.metadata or None, news.message or None),
    )
