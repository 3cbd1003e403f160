"""Listening check: whether anybody listens where a cluster is said to be.

Asked before a client is made. One that is made before its broker takes a tenth of a core for its waiting, and after the first refusal
a third of a second to begin anew.
"""

import logging
import math
import socket
import threading
import time

from testbeam.errors import TransportError
from testbeam.transport.kafka.client import Kafka

_LOOK_S = 0.01
_CONNECT_S = 1.0
_PATIENCE_S = 2.0  # for a broker that comes up together with the program, before a word is said


def refusal(kafka: Kafka) -> str:
    """Return "" if a broker of the cluster accepts a connection, else why the last one asked does not."""
    last = ""
    for address in kafka.bootstrap.split(","):
        host, _, port = address.rpartition("://")[2].rpartition(":")
        try:
            socket.create_connection((host.strip("[] "), int(port)), _CONNECT_S).close()
        except ValueError:
            return ""  # not HOST:PORT: for the client to make sense of
        except OSError as error:
            last = f"{address.strip()}: {error.strerror or error}"
        else:
            return ""
    return last


def wait_for_broker(kafka: Kafka, stop: threading.Event, log: logging.Logger, within_s: float = math.inf) -> None:
    """Return when somebody listens, or when told to stop; a long wait is told in the log.

    Raises:
        TransportError: nobody listens in time.
    """
    since_s, said = time.monotonic(), False
    while (why := refusal(kafka)) and not stop.wait(_LOOK_S):
        waited_s = time.monotonic() - since_s
        if waited_s > within_s:
            raise TransportError(f"no broker within {within_s} s at {why}; start it, or correct the address")
        if not said and waited_s > _PATIENCE_S:
            log.warning("no broker yet at %s; waiting for one", why)
            said = True
