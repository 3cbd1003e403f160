"""Kafka messages of one layout as columns: for producers that take them by the block."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_KEY_LENGTH = Struct("<I")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRows:
    """Messages to one topic: `payloads` (n,) of as many bytes each, `timestamps_ms` (n,) int64, Kafka time.

    The key of each stands in its payload at `key_at`, behind a uint32 that is its length.
    """

    payloads: NDArray[np.void]
    key_at: int
    timestamps_ms: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.payloads)

    def of(self, which: NDArray[np.bool_] | slice) -> MessageRows:
        """Return some of them."""
        return MessageRows(payloads=self.payloads[which], key_at=self.key_at, timestamps_ms=self.timestamps_ms[which])

    def messages(self) -> list[tuple[bytes, bytes, int]]:
        """Return them one by one, as (key, payload, Kafka time in ms)."""
        at = self.key_at + _KEY_LENGTH.size
        return [
            (payload[at : at + _KEY_LENGTH.unpack_from(payload, self.key_at)[0]], payload, timestamp_ms)
            for payload, timestamp_ms in zip(self.payloads.tolist(), self.timestamps_ms.tolist(), strict=True)
        ]
