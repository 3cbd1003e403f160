"""`pvget`: reads PVs by PV Access."""

import sys
from collections.abc import Sequence

from testbeam.driver.tools import pva_common

USAGE = "Usage: pvget [options] <PV name> ...\n\n  -h help  -w <sec> timeout  -v show the whole structure  -q quiet  -t terse"


def main(argv: Sequence[str]) -> int:
    """Read and print; return the exit code."""
    options, names = pva_common.parse(argv, "vqdtmi", USAGE)
    if not names:
        print("No pv name(s) specified. ('pvget -h' for help.)", file=sys.stderr)
        return 1
    client, code = pva_common.context(), 0
    try:
        for name in names:
            code = max(code, _one(client, name, options))
    finally:
        client.close()
    return code


def _one(client: object, name: str, options: dict[str, str]) -> int:
    try:
        value = pva_common.get(client, name, pva_common.wait_s(options))
    except TimeoutError:
        print(f"{name} Timeout", file=sys.stderr)
        return 1
    except Exception as error:  # p4p raises what the server says
        print(f"{name} {error}", file=sys.stderr)
        return 1
    if "v" in options:
        print(f"{name} {value}")
    else:
        print(pva_common.text(value) if "t" in options else pva_common.line(name, value))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
