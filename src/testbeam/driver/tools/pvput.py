"""`pvput`: writes a PV by PV Access and prints it before and after."""

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from testbeam.driver.tools import pva_common

USAGE = (
    "Usage: pvput [options] <PV name> <value>|<field>=<value> ...\n\n  -h help  -w <sec> timeout  -q quiet\n"
    '  -r <request>, such as "record[block=true,process=true]"'
)


def main(argv: Sequence[str]) -> int:
    """Write and print; return the exit code."""
    options, words = pva_common.parse(argv, "qdvt", USAGE)
    if not words:
        print("No pv name(s) specified. ('pvput -h' for help.)", file=sys.stderr)
        return 1
    if len(words) < 2:
        print("No value(s) specified. ('pvput -h' for help.)", file=sys.stderr)
        return 1
    client = pva_common.context()
    try:
        return _put(client, words[0], words[1:], options)
    except TimeoutError:
        print(f"{words[0]} Put timeout", file=sys.stderr)
    except Exception as error:  # p4p raises what the server says
        print(f"{words[0]} {error}", file=sys.stderr)
    finally:
        client.close()
    return 1


def _put(client: Any, name: str, values: list[str], options: dict[str, str]) -> int:
    within_s = pva_common.wait_s(options)
    before = pva_common.get(client, name, within_s)
    if "q" not in options:
        print(f"Old : {pva_common.line(name, before).partition(' ')[2]}")
    request = options.get("r", "field()")
    put = partial(client.put, name, builder=partial(_assign, values=values, before=before), request=request, get=True)
    pva_common.ask(put, within_s)
    if "q" not in options:
        print(f"New : {pva_common.line(name, pva_common.get(client, name, within_s)).partition(' ')[2]}")
    return 0


def _assign(target: Any, values: list[str], before: Any) -> Any:
    """Put values into the structure: one for a scalar, several for an array, `field=value` for others."""
    if all("=" in value and value.partition("=")[0].replace(".", "").isidentifier() for value in values):
        for value in values:
            path, _, text = value.partition("=")
            target[path] = text
        return target
    choices = pva_common._field(before, "value.choices")  # noqa: SLF001 — of the same tools
    if choices is not None:
        target["value.index"] = list(choices).index(values[0]) if values[0] in choices else int(values[0])
    elif hasattr(before["value"], "tolist") or isinstance(before["value"], list):
        items = values[0].strip("[]").split(",") if len(values) == 1 and values[0].startswith("[") else values
        kind = type(before["value"].tolist()[0]) if len(before["value"]) and hasattr(before["value"], "tolist") else float
        target["value"] = [item if isinstance(before["value"], list) else kind(float(item)) for item in items]
    else:
        target["value"] = type(before["value"])(values[0])
    return target


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
