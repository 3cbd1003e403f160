"""`systemctl` and `journalctl` of a machine: they ask the driver."""

import json
import os
import socket
import sys
from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Ask, print the answer, return the exit code."""
    tool, *words = argv
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(os.environ["TESTBEAM_CONTROL"])
            client.sendall(json.dumps({"machine": os.environ["TESTBEAM_MACHINE"], "tool": tool, "words": words}).encode() + b"\n")
            answer = json.loads(client.makefile().readline())
        except (OSError, KeyError, ValueError) as error:
            print(f"{tool}: the test's driver does not answer: {error}", file=sys.stderr)
            return 1
    sys.stdout.write(answer["output"])
    return int(answer["code"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
