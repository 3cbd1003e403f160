"""Which roles there are, by name: ours, and those that installed packages bring as entry points of the group `testbeam.roles`.

An entry point names a callable that takes `name=…` and returns a Service. Ours are known without a look at the installed packages,
so that a checkout which was not installed anew has them, too.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from testbeam.errors import StackError, TestbeamError
from testbeam.kit import template
from testbeam.kit.spec import Service

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "testbeam.roles"
_OURS = ("broker", "ioc", "forwarder", "filewriter", "event_source")
BUILT_IN = {name: f"testbeam.stacks.roles.{name}.declaration:{name}" for name in _OURS}
_OWN_DISTRIBUTION = "testbeam"

Role = Callable[..., Service]


def names() -> tuple[str, ...]:
    """Return the names of all roles: ours first, then those of other packages."""
    return (*BUILT_IN, *sorted(set(_offered()) - set(BUILT_IN)))


def role(name: str) -> Role:
    """Return what makes a service of this role; nothing but the role's own module is imported.

    Raises:
        StackError: there is no such role, two packages offer it, or the package that offers it is broken.
    """
    offers = _offered().get(name, ())
    if name in BUILT_IN:
        if offers:
            raise StackError(
                f"role {name!r} is testbeam's own, and is offered by {_who(offers[0])} as well; uninstall that, or rename its role"
            )
        module, _, function = BUILT_IN[name].partition(":")
        ours: Role = getattr(import_module(module), function)
        return ours
    if not offers:
        raise StackError(f"there is no role {name!r}; {template.near(name, names())}")
    if len(offers) > 1:
        raise StackError(f"role {name!r} is offered by {' and by '.join(map(_who, offers))}; uninstall all but one")
    return _load(offers[0])


def make(role_name: str, name: str, *positional: Any, **arguments: Any) -> Service:
    """Return the service of this name that a role makes.

    Raises:
        StackError: as `role`; and what another package offers fails, or returns something else.
        TestbeamError: whatever the role itself says of its arguments.
    """
    maker = role(role_name)
    try:
        returned: Any = maker(*positional, name=name, **arguments)
    except TestbeamError:
        raise
    except Exception as error:
        if role_name in BUILT_IN:
            raise
        raise StackError(f"role {role_name!r} of {_offerer(role_name)} failed: {type(error).__name__}: {error}; report it there") from error
    if isinstance(returned, Service):
        return returned if returned.role else returned.configured(role=role_name)
    what = f"returned {type(returned).__name__}, not a testbeam.kit.spec.Service"
    raise StackError(f"role {role_name!r} of {_offerer(role_name)} {what}; report it there")


@cache
def _offered() -> "dict[str, tuple[EntryPoint, ...]]":
    """Return what other packages offer, by name; the same package on two paths counts once."""
    from importlib.metadata import entry_points  # late: 40 ms, which the reference stack has no use for

    found: dict[str, dict[str, EntryPoint]] = {}
    for offer in entry_points(group=GROUP):
        distribution = _distribution(offer)
        if distribution != _OWN_DISTRIBUTION:
            found.setdefault(offer.name, {})[distribution] = offer
    return {name: tuple(offers.values()) for name, offers in found.items()}


def _load(offer: "EntryPoint") -> Role:
    try:
        loaded = offer.load()
    except Exception as error:  # whatever a stranger's module does when it is imported
        raise StackError(
            f"role {offer.name!r} of {_who(offer)} can't be loaded: {type(error).__name__}: {error}; mend or uninstall that package"
        ) from error
    if not callable(loaded):
        what = f"is {type(loaded).__name__}, and has to be a function that returns a Service"
        raise StackError(f"role {offer.name!r} of {_who(offer)} {what}; report it there, or uninstall that package")
    return loaded  # type: ignore[no-any-return]  # what it returns is checked by `made`


def _offerer(role_name: str) -> str:
    return next((_who(offer) for offer in _offered().get(role_name, ())), "testbeam")


def _who(offer: "EntryPoint") -> str:
    version = offer.dist.version if offer.dist is not None else "?"
    return f"{_distribution(offer) or 'an unknown package'} {version} ({offer.value})"


def _distribution(offer: "EntryPoint") -> str:
    return offer.dist.name if offer.dist is not None else ""
