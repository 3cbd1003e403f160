"""Ports and endpoints of a broker of ours, as a process or in a container."""

from testbeam.kit.spec import Port


def ports(*, faultable: bool, fixed: int | None = None) -> tuple[Port, ...]:
    """Return the ports of a broker of ours; `fixed` is that of its clients."""
    own = (Port(name="plain", fixed=fixed), Port(name="controller"), *((Port(name="proxied"),) if faultable else ()))
    return (*own, *((Port(name="proxy", forwards_to="proxied"),) if faultable else ()))


def endpoints(*, faultable: bool) -> dict[str, str]:
    """Return where clients reach it: directly, and through the proxy of a faultable one."""
    return {"kafka": "${address}:${port.plain}"} | ({"proxied": "${address}:${port.proxy}"} if faultable else {})
