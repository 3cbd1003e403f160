"""Roles by name: the entry points of the group `testbeam.roles`, ours and those of other installed packages alike."""

from functools import cache
from typing import TYPE_CHECKING, Any

from testbeam.errors import StackError, TestbeamError
from testbeam.kit import template
from testbeam.kit.handle import handle_class
from testbeam.kit.spec import Service
from testbeam.stacks.roles.role import Role

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "testbeam.roles"
_OWN_DISTRIBUTION = "testbeam"
_INSTALL_ANEW = "this testbeam was installed before its roles were as they are now; install it anew (in a checkout: pip install -e .)"


def names() -> tuple[str, ...]:
    """Return the names of all roles: ours first, then those of other packages."""
    return tuple(sorted(_offered(), key=lambda name: (not _is_ours(name), name)))


def role(name: str) -> Role:
    """Return a role; nothing but its own module is imported.

    Raises:
        StackError: there is no such role, two packages offer it, or the package that offers it is broken.
    """
    found = find(name)
    if found is None:
        way_out = template.near(name, names()) if any(map(_is_ours, names())) else _INSTALL_ANEW
        raise StackError(f"there is no role {name!r}; {way_out}")
    return found


def find(name: str) -> Role | None:
    """Return a role, or None where nobody offers one of this name.

    Raises:
        StackError: two packages offer it, or the package that offers it is broken.
    """
    offers = _offered().get(name, ())
    if len(offers) > 1:
        raise StackError(f"role {name!r} is offered by {' and by '.join(map(_who, offers))}; uninstall all but one, or rename its role")
    return _load(offers[0]) if offers else None


def make(role: Role, name: str, *positional: Any, **arguments: Any) -> Service:
    """Return the service of this name that a role declares.

    Raises:
        StackError: the declaration of another package fails, returns something else, or does not list the topics it was given.
        TestbeamError: whatever the declaration itself says of its arguments.
    """
    try:
        returned: Any = role.declare(*positional, name=name, **arguments)
    except TestbeamError:
        raise
    except Exception as error:  # another package's declaration is named; an error in ours is ours
        if _is_ours(role.name):
            raise
        raise _fault_of(role, f"failed: {type(error).__name__}: {error}") from error
    if not isinstance(returned, Service):
        raise _fault_of(role, f"returned {type(returned).__name__}, not a testbeam.Service")
    handle = handle_class(returned)
    if not issubclass(handle, role.handle):
        raise _fault_of(role, f"returned a service whose handle is {handle.__name__}, not {role.handle.__name__}")
    listed = [getattr(topic, "name", topic) for topic in returned.options.get("topics", ())]
    for parameter in role.topics:
        if arguments.get(parameter) and arguments[parameter] not in listed:
            raise _fault_of(role, f'returned a service that does not list the topic of {parameter} in its options["topics"]')
    return returned if returned.role else returned.configured(role=role.name)


def _fault_of(role: Role, what: str) -> StackError:
    return StackError(f"role {role.name!r} of {_offerer(role.name)} {what}; report it there")


@cache
def _offered() -> "dict[str, tuple[EntryPoint, ...]]":
    """Return who offers which role; the same package on two paths counts once."""
    from importlib.metadata import entry_points  # late: 40 ms, which a stack that is declared in Python has no use for

    found: dict[str, dict[str, EntryPoint]] = {}
    for offer in entry_points(group=GROUP):
        found.setdefault(offer.name, {}).setdefault(_distribution(offer), offer)
    return {name: tuple(offers.values()) for name, offers in found.items()}


@cache
def _load(offer: "EntryPoint") -> Role:
    try:
        loaded = offer.load()
    except StackError as error:  # of Role itself: it names the role, and what does not fit
        raise StackError(f"{error} ({_who(offer)}; report it there, or uninstall that package)") from error
    except Exception as error:  # whatever another package's module does when it is imported
        way_out = _INSTALL_ANEW if _distribution(offer) == _OWN_DISTRIBUTION else "correct or uninstall that package"
        raise StackError(f"role {offer.name!r} of {_who(offer)} can't be loaded: {type(error).__name__}: {error}; {way_out}") from error
    if not isinstance(loaded, Role):
        way_out = _INSTALL_ANEW if _distribution(offer) == _OWN_DISTRIBUTION else "report it there, or uninstall that package"
        what = f"is {type(loaded).__name__}, and has to be a testbeam.Role(name=…, declare=…)"
        raise StackError(f"role {offer.name!r} of {_who(offer)} {what}; {way_out}")
    if loaded.name != offer.name:
        raise StackError(f"role {offer.name!r} of {_who(offer)} calls itself {loaded.name!r}; the entry point has to have the role's name")
    return loaded


def _is_ours(name: str) -> bool:
    return any(_distribution(offer) == _OWN_DISTRIBUTION for offer in _offered().get(name, ()))


def _offerer(name: str) -> str:
    return next((_who(offer) for offer in _offered().get(name, ())), "an unknown package")


def _who(offer: "EntryPoint") -> str:
    version = offer.dist.version if offer.dist is not None else "?"
    return f"{_distribution(offer) or 'an unknown package'} {version} ({offer.value})"


def _distribution(offer: "EntryPoint") -> str:
    return offer.dist.name if offer.dist is not None else ""
