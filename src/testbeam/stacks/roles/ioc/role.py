"""Role `ioc`: EPICS records served over Channel Access and PVA."""

from testbeam.stacks.roles.ioc import replacement
from testbeam.stacks.roles.ioc.declaration import IocHandle, ioc
from testbeam.stacks.roles.role import Role

ROLE = Role(name="ioc", declare=ioc, handle=IocHandle, replacement=replacement)
