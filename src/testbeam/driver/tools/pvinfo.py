"""`pvinfo`: says which structure a PV has."""

import sys
from collections.abc import Sequence

from testbeam.driver.tools import pva_common

USAGE = "Usage: pvinfo [options] <PV name> ...\n\n  -h help  -w <sec> timeout"


def main(argv: Sequence[str]) -> int:
    """Print; return the exit code."""
    options, names = pva_common.parse(argv, "d", USAGE)
    if not names:
        print("No pv name(s) specified. ('pvinfo -h' for help.)", file=sys.stderr)
        return 1
    client, code = pva_common.context(), 0
    try:
        for name in names:
            try:
                value = pva_common.get(client, name, pva_common.wait_s(options))
                print(f"{name}\nType:\n    {value.getID()}\n{_indented(str(value.type()))}")
            except TimeoutError:
                print(f"{name}\nTimeout", file=sys.stderr)
                code = 1
            except Exception as error:  # p4p raises what the server says
                print(f"{name} {error}", file=sys.stderr)
                code = 1
    finally:
        client.close()
    return code


def _indented(text: str) -> str:
    return "\n".join(f"        {line}" for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
