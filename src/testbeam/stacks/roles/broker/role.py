"""Role `broker`: Apache Kafka."""

from testbeam.stacks.roles.broker import replacement
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.role import Role

ROLE = Role(name="broker", declare=broker, handle=BrokerHandle, replacement=replacement)
