"""What went wrong last?"""

import logging
from dataclasses import dataclass


@dataclass(slots=True)
class Problems:
    """Remembers the last problem for the status, and logs it unless it is the same as before."""

    log: logging.Logger
    last: str = ""

    def note(self, text: str) -> None:
        """Take down a problem; the text names the thing, the place and, where there is one, the next step."""
        if text != self.last:
            self.log.warning("%s", text)
        self.last = text
