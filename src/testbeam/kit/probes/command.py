"""Does a command that asks a service for its health succeed?"""

import subprocess
from dataclasses import dataclass

from testbeam.kit.spec import ProbeResult, ServiceView


@dataclass(frozen=True, slots=True)
class CommandSucceeds:
    """Ready when a command line of templates, run in the service's folder and environment, ends with code 0."""

    argv: tuple[str, ...]
    timeout_s: float = 1.0

    def check(self, service: ServiceView) -> ProbeResult:
        """Run it once; it carries the run's mark, so it dies with the run."""
        argv = [service.fill(word) for word in self.argv]
        try:
            done = subprocess.run(
                argv,
                cwd=service.folder,
                env=service.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ProbeResult(ready=False, detail=f"{' '.join(argv)} took longer than {self.timeout_s:g} s")
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        return ProbeResult(
            ready=done.returncode == 0, detail=f"{' '.join(argv)} ended with code {done.returncode}{': ' + said[-1] if said else ''}"
        )
