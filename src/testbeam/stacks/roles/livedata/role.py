"""Role `livedata`: histograms, images, counts and time series of a running measurement."""

from testbeam.stacks.roles.livedata import replacement
from testbeam.stacks.roles.livedata.declaration import LivedataHandle, livedata
from testbeam.stacks.roles.role import Role

ROLE = Role(
    name="livedata",
    declare=livedata,
    handle=LivedataHandle,
    topics={"commands_topic": "livedata_commands"},
    replacement=replacement,
)
