"""Role `forwarder`: PV updates to Kafka."""

from testbeam.stacks.roles.forwarder import replacement
from testbeam.stacks.roles.forwarder.declaration import ForwarderHandle, forwarder
from testbeam.stacks.roles.role import Role

ROLE = Role(
    name="forwarder",
    declare=forwarder,
    handle=ForwarderHandle,
    topics={
        "config_topic": "forwarder_commands",
        "status_topic": "forwarder_status",
        "storage_topic": "forwarder_storage",
        "data_topic": "motion",
    },
    replacement=replacement,
)
