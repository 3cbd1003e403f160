"""The audit of a file against a broker, from its name to its verdict."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from testbeam.audit import kafka as source
from testbeam.audit.compare import compare
from testbeam.audit.destinations import destinations
from testbeam.audit.expected import expected
from testbeam.audit.job import Job, choose, find_starts, job_of
from testbeam.audit.result import AuditResult
from testbeam.errors import AuditError, TopicMissing
from testbeam.nexus.files import opened
from testbeam.transport.kafka.client import Kafka


@dataclass(frozen=True, slots=True, kw_only=True)
class Leeway:
    """How far beyond the window the file-writer looks by Kafka time; must be what it was started with."""

    before_s: float = 10.0
    after_s: float = 10.0


def find_job(kafka: Kafka, command_topics: Iterable[str], *, job_id: str = "", file: Path | None = None, within_s: float = 30.0) -> Job:
    """Return the job with this id, or the newest that a writer took for a file of this name, from the topics where start commands are sent.

    Its control topic is read as well, for what the writer said of it and of its window.

    Raises:
        AuditError: there is no such job, or it is not over.
    """
    topics = list(command_topics)
    commands = source.words(kafka, topics, within_s)
    starts = find_starts((word.value for word in commands), job_id=job_id, file=file)
    controls = {start.control_topic for start in starts} - {"", *topics}
    said = []
    for topic in sorted(controls):
        with suppress(TopicMissing):  # of a job that was refused there may be none
            said += [word.value for word in source.words(kafka, [topic], within_s)]
    said += [word.value for word in commands]
    start = choose(starts, said, file)
    return job_of(start, said)


def audit(kafka: Kafka, job: Job, file: Path, leeway: Leeway | None = None, within_s: float = 30.0) -> AuditResult:
    """Return whether `file` holds every message of the job's window that it must, and nothing else.

    within_s: longest silence of Kafka while there is more to read.

    Raises:
        AuditError: it can't be said, with the reason.
        NexusError: the file can't be read.
    """
    leeway = leeway or Leeway()
    topics = {destination.topic for destination in destinations(job.nexus_structure)}
    if not topics:
        raise AuditError(f"job {job.job_id} has no stream, so there is nothing to audit")
    with opened(file) as open_file:
        messages = source.data(kafka, job, topics, leeway.before_s, within_s)
        wanted = expected(job, messages, source.must_read_from_ms(job, leeway.before_s), round(leeway.after_s * 1000))
        return compare(wanted, open_file, partial(source.fetch, kafka), str(file))
