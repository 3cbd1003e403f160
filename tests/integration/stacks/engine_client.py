"""A stand-in for an engine's command line: the words that the kit uses, with their meaning for Docker and Podman.

The image is a word; what follows it is the command line that runs "in" the container. `docker run` in the foreground hands signals on.
"""

import json
import os
import signal
import socket
import sys
from typing import Any, NoReturn

SOCKET = os.environ["STAND_IN_ENGINE"]


def ask(request: dict[str, Any]) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(SOCKET)
    channel.sendall(json.dumps(request).encode() + b"\n")
    return channel


def answer(channel: socket.socket) -> dict[str, Any]:
    with channel.makefile() as lines:
        replies: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return replies[-1]


def done(reply: dict[str, Any]) -> NoReturn:
    if "error" in reply:
        print(reply["error"], file=sys.stderr)
    sys.exit(reply["code"])


def run(words: list[str]) -> NoReturn:
    name = ""
    labels: dict[str, str] = {}
    env: dict[str, str] = {}
    while words[0].startswith("-"):
        word = words.pop(0)
        if word in ("--rm", "--init"):
            continue
        value = words.pop(0)
        if word == "--name":
            name = value
        elif word in ("--label", "-e"):
            key, _, text = value.partition("=")
            (labels if word == "--label" else env)[key] = text
        elif word not in ("-p", "-v", "--network", "--user"):
            sys.exit(f"unknown flag: {word}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: answer(ask({"do": "send", "name": name, "number": number})) and None)
    done(answer(ask({"do": "run", "name": name, "argv": words[1:], "labels": labels, "env": env})))


def ps(words: list[str]) -> NoReturn:
    key, _, value = words[words.index("--filter") + 1].removeprefix("label=").partition("=")
    for row in answer(ask({"do": "ps"}))["rows"]:
        if row["labels"].get(key) == value:
            print(row["id"], row["labels"].get("testbeam.run", ""), row["labels"].get("testbeam.service", ""))
    sys.exit(0)


def main(words: list[str]) -> NoReturn:
    numbers = {"pause": signal.SIGSTOP, "unpause": signal.SIGCONT}
    match words:
        case ["version", *_]:
            answer(ask({"do": "ps"}))
            print("99.0")
            sys.exit(0)
        case ["image", "inspect", *_]:
            sys.exit(0)
        case ["run", *rest]:
            run(rest)
        case ["ps", *rest]:
            ps(rest)
        case ["stop", "-t", seconds, name]:
            done(answer(ask({"do": "stop", "name": name, "timeout_s": float(seconds)})))
        case ["kill", "--signal", word, name]:
            done(answer(ask({"do": "send", "name": name, "number": signal.Signals[f"SIG{word}"]})))
        case ["pause" | "unpause" as word, name]:
            done(answer(ask({"do": "send", "name": name, "number": numbers[word]})))
        case ["rm", "--force", *names]:
            for name in names:
                answer(ask({"do": "send", "name": name, "number": signal.SIGKILL}))
            sys.exit(0)
    sys.exit(f"unknown command: {words}")


if __name__ == "__main__":
    main(sys.argv[1:])
