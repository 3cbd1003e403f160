"""Plan of a file: the writer modules that a nexus_structure asks for, group by group, checked before any file is made."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from testbeam.errors import NexusError
from testbeam.nexus.structure import Group, Stream
from testbeam.services.filewriter import modules
from testbeam.services.filewriter.modules import mdat
from testbeam.services.filewriter.modules.base import WriterModule
from testbeam.services.filewriter.modules.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One writer module to be made in the group at `path`; `explicit` is false for those that f144 brings along."""

    path: str
    name: str
    topic: str
    source: str
    kind: type[WriterModule[Any]]
    config: Config
    explicit: bool = True


def plan(root: Group, compression: str = "none", warnings: list[str] | None = None) -> tuple[Planned, ...]:
    """Return every writer module of the structure; `warnings` gets a sentence for each word of a config that its module does not know.

    Raises:
        NexusError: a module is unknown, its config can't be used, or two write the same dataset of a group.
    """
    found = tuple(planned for group in root.groups() for planned in _plan_group(group, compression))
    if warnings is not None:
        for planned in found:
            if planned.explicit:
                warnings += planned.config.warnings(planned.kind.options())
    return found


def _plan_group(group: Group, compression: str) -> Iterator[Planned]:
    streams = [child for child in group.children if isinstance(child, Stream) and not _is_metadata(child)]
    found = {}
    for stream in streams:
        if stream.module in found:
            raise NexusError(stream.place, f"{group.path} has two modules {stream.module}: they would write the same datasets")
        found[stream.module] = _planned(group.path, stream, stream.module, compression)
    for stream in streams:
        for name in _implied(found[stream.module]):
            if name not in found:
                found[name] = _planned(group.path, stream, name, compression, explicit=False)
    _check_names(group, found)
    yield from found.values()


def _is_metadata(stream: Stream) -> bool:
    if stream.module != "mdat":
        return False
    mdat.items(Config(stream.config, stream.place))
    return True


def _planned(path: str, stream: Stream, name: str, compression: str, *, explicit: bool = True) -> Planned:
    config = Config(stream.config if explicit else {}, stream.place, compression)
    kind = modules.find(name, config)
    return Planned(path=path, name=name, topic=stream.topic, source=stream.source, kind=kind, config=config, explicit=explicit)


def _implied(planned: Planned) -> Iterable[str]:
    return [name for name, option in planned.kind.implies if planned.config.flag(option, default=True)]


def _check_names(group: Group, found: Mapping[str, Planned]) -> None:
    owners = {child.name: "the structure itself" for child in group.children if not isinstance(child, Stream)}
    for planned in found.values():
        specs = planned.kind.specs(planned.config)
        for name in (*(spec.name for spec in specs), *planned.kind.scalar_names(planned.config)):
            if name in owners:
                raise NexusError(planned.config.place, f"{group.path}/{name} would be made by module {planned.name} and by {owners[name]}")
            owners[name] = f"module {planned.name}"
