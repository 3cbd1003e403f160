"""Role `control`: instrument control that speaks NICOS."""

from testbeam.stacks.roles.control import replacement
from testbeam.stacks.roles.control.declaration import ControlHandle, control
from testbeam.stacks.roles.role import Role

ROLE = Role(
    name="control",
    declare=control,
    handle=ControlHandle,
    topics={
        "pool_topic": "filewriter_pool",
        "control_topic": "filewriter_control",
        "writer_status_topic": "filewriter_status",
        "forwarder_config_topic": "forwarder_commands",
        "forwarder_status_topic": "forwarder_status",
        "data_topic": "motion",
        "collector_topic": "nicos_devices",
        "scichat_topic": "scichat",
    },
    replacement=replacement,
)
