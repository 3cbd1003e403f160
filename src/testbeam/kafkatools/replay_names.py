"""Topics that recorded topics are sent to."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from testbeam.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How recorded topics are renamed: one by one by `renames`, the others by a prefix; with `only`, no others are sent."""

    prefix: str = ""
    renames: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()

    @property
    def chooses(self) -> bool:
        """Tell whether anything is to be renamed or left out."""
        return bool(self.prefix or self.renames or self.only)

    def targets(self, recorded: Iterable[str]) -> dict[str, str]:
        """Return recorded topic → topic to send to.

        Raises:
            SettingsError: an option names a topic that is not in the recording, or two topics would become one.
        """
        topics = list(recorded)
        for option, asked in (("renames", self.renames), ("only", self.only)):
            for name in asked:
                _check_recorded(option, name, topics)
        chosen = [topic for topic in topics if not self.only or topic in self.only]
        targets = {topic: self.renames.get(topic, self.prefix + topic) for topic in chosen}
        _check_distinct(targets)
        return targets


def _check_recorded(option: str, name: str, topics: list[str]) -> None:
    if name not in topics:
        near = difflib.get_close_matches(name, topics) or topics
        raise SettingsError(option, name, f"a topic of the recording, such as {', '.join(near[:5])}")


def _check_distinct(targets: Mapping[str, str]) -> None:
    senders: dict[str, str] = {}
    for topic, target in targets.items():
        other = senders.setdefault(target, topic)
        if other != topic:
            raise SettingsError("renames", f"{topic}={target}", f"another name: {other!r} goes there already")
