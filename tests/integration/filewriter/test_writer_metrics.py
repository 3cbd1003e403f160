"""Metrics of a writer, as Prometheus and Graphite get them."""

import socket
import urllib.request
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from testbeam.kit.run import Run
from testbeam.stacks.roles.broker.declaration import BrokerHandle
from testbeam.stacks.roles.filewriter.declaration import FileWriterHandle, filewriter
from testbeam.stacks.topics import Topics
from testbeam.suites.filewriter.jobs import LEEWAY_S, STATUS_S, Writing, log, now_ms


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_two_clients_at_once_get_the_counts_of_two_jobs_and_graphite_gets_them_too(writing_run: Run) -> None:
    topics = Topics(prefix=f"m{uuid.uuid4().hex[:8]}")
    kafka = cast("BrokerHandle", writing_run["broker"])
    kafka.create_topics(topics.pool, topics.writer_status, topics.control)
    port = _free_port()
    with socket.create_server(("127.0.0.1", 0)) as carbon:
        carbon.settimeout(50)
        service = filewriter(
            pool_topic=topics.pool,
            status_topic=topics.writer_status,
            control_topic=topics.control,
            time_after_stop_s=LEEWAY_S,
            status_interval_s=STATUS_S,
            ini={
                "metric-server-port": port,
                "grafana-carbon-address": f"127.0.0.1:{carbon.getsockname()[1]}",
                "service-id": "writer.at.host",
            },
        )
        with writing_run.add(service) as handle:
            writing = Writing(broker=kafka, writer=cast("FileWriterHandle", handle))
            connection, _address = carbon.accept()
            with connection:
                lines = connection.makefile().readline().split()
            jobs = []
            for name in ("a", "b"):
                t = now_ms() - 1_000
                writing.send(log(t + 1, 1), log(t + 2, 2), log(t + 2, 3))
                jobs.append(writing.write(writing.speed(), name=name, start_time_ms=t, stop_time_ms=t + 10))
            writing.status.expect(schema="x5f2", where=lambda record: '"idle"' in record.value.status_json, within_s=30)
            with ThreadPoolExecutor(2) as pool:
                both = list(pool.map(_scraped, [f"http://127.0.0.1:{port}/metrics"] * 2))

    assert lines[0].startswith("filewriter.writer_at_host.")
    assert lines[1:2] == ["0"]
    for text in both:
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        assert values["filewriter_jobs_total"] == "2.0"
        assert values["filewriter_jobs_failed_total"] == "0.0"
        assert values["filewriter_written_total"] == str(float(sum(job.report["written"] for job in jobs)))
        names = Counter(line.split()[2] for line in text.splitlines() if line.startswith("# TYPE"))
        assert set(names.values()) == {1}


def _scraped(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())
