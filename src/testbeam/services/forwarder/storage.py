"""Do the streams survive a restart? They are written to the storage topic at each change, and read from it at the start."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from testbeam.errors import TopicMissing, TransportError
from testbeam.model import StreamSpec
from testbeam.services.forwarder.addresses import Address
from testbeam.services.forwarder.problems import Problems
from testbeam.services.forwarder.stored import restore, to_store

_ANSWER_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The storage topic; `produce` sends a message there."""

    address: Address
    problems: Problems
    log: logging.Logger
    produce: Callable[[Address, bytes], None]

    def write(self, streams: Sequence[StreamSpec]) -> None:
        """Write all streams; a missing topic shows as a message that could not be delivered, and the next change tries again."""
        self.produce(self.address, to_store(streams))

    def read(self, stop: threading.Event) -> tuple[StreamSpec, ...]:
        """Return the streams written last, waiting for the broker until `stop`; none where the topic is missing or holds none."""
        topic = self.address.topic
        while not stop.is_set():
            try:
                found = restore(self.address.kafka, topic, _ANSWER_S)
            except TopicMissing as error:
                self.problems.note(f"no streams are restored: {error}")
                return ()
            except TransportError as error:
                self.problems.note(f"streams can't be restored yet: {error}")
                continue
            if found.invalid:
                self.problems.note(f"{found.invalid} messages in {topic!r} are no stored streams")
            self.log.info("restored %d streams from %r", len(found.streams or ()), topic)
            return found.streams or ()
        return ()
