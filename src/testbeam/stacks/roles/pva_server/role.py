"""Role `pva_server`: simulated PVs over PV Access."""

from testbeam.stacks.roles.pva_server.declaration import PvaServerHandle, pva_server
from testbeam.stacks.roles.role import Role

ROLE = Role(name="pva_server", declare=pva_server, handle=PvaServerHandle)
