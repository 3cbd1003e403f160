"""Do the streams survive a restart? They are written to the storage topic at each change, and read from it at the start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from testbeam.errors import TopicMissing, TransportError
from testbeam.model.forwarding import StreamSpec
from testbeam.services.forwarder.addresses import Address
from testbeam.services.forwarder.problems import Problems
from testbeam.services.forwarder.stored import restore, to_store

_ANSWER_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The storage topic; `say` sends a message there."""

    address: Address
    problems: Problems
    say: Callable[[Address, bytes], None]

    def write(self, streams: Sequence[StreamSpec]) -> None:
        """Write all streams; a missing topic shows as a message that could not be delivered, and the next change tries again."""
        self.say(self.address, to_store(streams))

    def read(self) -> tuple[StreamSpec, ...] | None:
        """Return the streams written last, none where the topic is missing or holds none; None if the broker does not answer now."""
        topic = self.address.topic
        try:
            found = restore(self.address.kafka, topic, _ANSWER_S)
        except TopicMissing as error:
            self.problems.note(f"no streams are restored: {error}")
            return ()
        except TransportError as error:
            self.problems.note(f"streams can't be restored yet: {error}")
            return None
        if found.invalid:
            self.problems.note(f"{found.invalid} messages in {topic!r} are no stored streams")
        return found.streams or ()
