"""Probe that runs a command which asks a service for its health."""

from dataclasses import dataclass

from testbeam.kit.spec import Declared, ProbeResult, ServiceView


@dataclass(frozen=True, slots=True)
class CommandSucceeds:
    """Ready when a command line of templates, run in the service's folder and environment, ends with code 0 within `timeout_s`.

    All that it has started is killed when it has ended, or its time is over.
    """

    argv: tuple[str, ...]
    timeout_s: float = 1.0

    def check_declared(self, declared: Declared) -> None:
        """Raise StackError for a template that will not be there."""
        declared.check_templates(*self.argv)

    def check(self, service: ServiceView) -> ProbeResult:
        """Run it once."""
        argv = [service.fill(word) for word in self.argv]
        done = service.call(argv, self.timeout_s)
        if done.exit_code is None:
            return ProbeResult(ready=False, detail=f"{' '.join(argv)} took longer than {self.timeout_s:g} s")
        said = done.output.strip().splitlines()
        detail = f"{' '.join(argv)} ended with code {done.exit_code}{': ' + said[-1] if said else ''}"
        return ProbeResult(ready=done.exit_code == 0, detail=detail)
