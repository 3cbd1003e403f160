"""Role `filewriter`: Kafka to NeXus files."""

from testbeam.stacks.roles.filewriter import replacement
from testbeam.stacks.roles.filewriter.declaration import FileWriterHandle, filewriter
from testbeam.stacks.roles.role import Role

ROLE = Role(
    name="filewriter",
    declare=filewriter,
    handle=FileWriterHandle,
    topics={"pool_topic": "filewriter_pool", "status_topic": "filewriter_status", "control_topic": "filewriter_control"},
    replacement=replacement,
)
