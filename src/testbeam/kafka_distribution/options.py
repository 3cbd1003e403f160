"""Options of a start of the broker: the values that both the warm start and the full program work with.

The modules of a warm start (this one, cache, jars, java, aot, properties, launch, warm_start) do without dataclasses, pathlib and
argparse: those cost 15, 10 and 10 ms of the few that Python takes before it becomes the broker.
"""


class LaunchOptions:
    """Every option of a start, with its default; paths are text, ports are on `address`.

    `aot_output` is the file that Java writes what it has loaded to, at its end, rather than use a start-up cache.

    `proxied_port` is where the second listener listens and `proxy_port` what it advertises: clients that come through a
    proxy on `proxy_port` are then led back to the proxy. 0 means that there is none.
    """

    folder: str = "."
    address: str = "127.0.0.1"
    plain_port: int = 9092
    controller_port: int = 9093
    proxied_port: int = 0
    proxy_port: int = 0
    kafka_home: str = ""
    java_home: str = ""
    cache_folder: str = ""
    heap_mb: int = 768
    kafka_log_level: str = "warn"
    aot_output: str = ""
    property: tuple[str, ...] = ()

    def __init__(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self, name, value)


KINDS: dict[str, type] = LaunchOptions.__annotations__  # name of each option → int, str, or a tuple for one that may be repeated


def from_plain_arguments(argv: list[str]) -> LaunchOptions | None:
    """Return the options of an argument list that is nothing but known `--name value` pairs; None for any other."""
    values: dict[str, object] = {}
    for flag, text in zip(argv[::2], argv[1::2], strict=False):
        name = flag[2:].replace("-", "_")
        kind = KINDS.get(name)
        if kind is None or flag != f"--{name.replace('_', '-')}":
            return None
        if kind is int:
            if not text.isdecimal():
                return None
            values[name] = int(text)
        else:
            values[name] = text if kind is str else (*values.get(name, ()), text)  # type: ignore[misc]
    return LaunchOptions(**values) if len(argv) % 2 == 0 else None
