"""The `testbeam` command in a process of its own, with a registry of stacks that is only this test's."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

WEB = """
[stack]
name = "{name}"

[services.web]
command = ["{python}", "-m", "http.server", "--bind", "${{address}}", "${{port.main}}"]
ports = ["main"]
endpoints = {{ http = "${{address}}:${{port.main}}" }}
ready = {{ probe = "port", port = "main" }}

[env_names]
WEB_URL = "http://${{web.http}}/"
"""


def heed_ctrl_c() -> None:
    """Have SIGINT heeded, as at a prompt: a job in the background of a shell script inherits that it is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs commands in a folder."""

    folder: Path
    runtime: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *words: str, env: Mapping[str, str] | None = None, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
        return self.python("-m", "testbeam", *words, env=env, folder=folder)

    def python(self, *words: str, env: Mapping[str, str] | None = None, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *words],
            cwd=folder or self.folder,
            env=self.env(env or {}),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=240,
            check=False,
        )

    def spawn(self, *words: str, env: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        argv = [sys.executable, "-m", "testbeam", *words]
        return subprocess.Popen(
            argv,
            cwd=self.folder,
            env=self.env(env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # no terminal: signals reach just whom they are sent to
            preexec_fn=heed_ctrl_c,
        )

    def env(self, more: Mapping[str, str]) -> dict[str, str]:
        return {**os.environ, "XDG_RUNTIME_DIR": str(self.runtime), **self.environment, **more}


def declare(folder: Path, name: str) -> Path:
    """Write a testbeam.toml with one small service."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "testbeam.toml"
    file.write_text(WEB.format(name=name, python=sys.executable))
    return file
