"""The `[env_names]` table of a testbeam.toml: further variables that a foreign suite wants to find a stack by."""

import re
from collections.abc import Mapping
from typing import Any

from testbeam.errors import StackError
from testbeam.kit import template
from testbeam.kit.stack import Stack
from testbeam.stacks.client_variables import template_names
from testbeam.stacks.toml.key import Wrong

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def env_names_of(table: Any, stack: Stack) -> dict[str, str]:
    """Return variable → template of the table.

    Raises:
        Wrong: it is no table, a name is none that a shell takes, or a template asks for what the stack does not have.
    """
    if not isinstance(table, Mapping):
        raise Wrong(("env_names",), f'{table!r:.60} is no table; give variables, such as [env_names] with KAFKA = "${{broker.kafka}}"')
    endpoints = {service.name: service.endpoints for service in stack.services}
    for name, text in table.items():
        if not _VARIABLE.fullmatch(name):
            raise Wrong(("env_names", name), "no shell takes such a name; give letters, digits and '_'")
        if not isinstance(text, str):
            raise Wrong(("env_names", name), f'{text!r:.60} is no text; give a template, such as "${{broker.kafka}}"')
        try:
            template.check(text, template_names(endpoints), name)
        except StackError as error:
            raise Wrong(("env_names", name), str(error)) from None
    return dict(table)
