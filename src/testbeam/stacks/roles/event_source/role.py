"""Role `event_source`: neutron events on the topics of a detector and a monitor."""

from testbeam.stacks.roles.event_source import replacement
from testbeam.stacks.roles.event_source.declaration import event_source
from testbeam.stacks.roles.role import Role

ROLE = Role(
    name="event_source",
    declare=event_source,
    topics={"detector_topic": "detector", "monitor_topic": "beam_monitor", "status_topic": "source_status"},
    replacement=replacement,
)
