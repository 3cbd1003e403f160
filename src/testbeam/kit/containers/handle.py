"""Handle of a service in a container: what reaches into it goes through the engine."""

from contextlib import suppress

from testbeam.errors import StackError
from testbeam.kit.containers import engine_commands
from testbeam.kit.containers.engine_commands import Container
from testbeam.kit.handle import Handle

_ENGINE_S = 15.0
_CLIENT_S = 5.0  # the engine's client removes the container before it ends


class InContainer(Handle):
    """The words of a handle that have to reach into the container; a role's own handle comes after it: `(InContainer, BrokerHandle)`."""

    @property
    def container_name(self) -> str:
        """Return what the engine calls the container."""
        return self.fill(engine_commands.NAME)

    def pause(self) -> None:
        """Freeze every process of the container until `resume`."""
        self._tell(engine_commands.pause(self._engine, self.container_name))
        super().pause()

    def resume(self) -> None:
        """Let a paused container go on."""
        super().resume()
        self._tell(engine_commands.unpause(self._engine, self.container_name))

    def stop(self) -> None:
        """Ask the container to end, have it killed when its time is over, and wait until it is gone."""
        self._end(
            engine_commands.stop(self._engine, self.container_name, self.service.stop_timeout_s), self.service.stop_timeout_s + _ENGINE_S
        )
        super().stop()

    def kill(self) -> None:
        """Kill the container at once; that is no crash."""
        self._end(engine_commands.kill(self._engine, self.container_name), _ENGINE_S)
        super().kill()

    @property
    def _engine(self) -> str:
        container: Container = self.options["container"]
        return container.engine

    def _end(self, argv: tuple[str, ...], timeout_s: float) -> None:
        if self.pid is None or not self.is_running():
            return
        with self.expect_exit():
            self._tell(argv, timeout_s)
            with suppress(TimeoutError):  # its client is then killed, and the container removed by the guard
                self.wait_exit(_CLIENT_S)

    def _tell(self, argv: tuple[str, ...], timeout_s: float = _ENGINE_S) -> None:
        try:
            engine_commands.run(argv, timeout_s)
        except StackError as error:
            raise StackError(f"service {self.name!r}: {error}") from None


class ContainerHandle(InContainer):
    """A service in a container that has no handle of its own."""
