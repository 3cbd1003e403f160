"""Installation that the broker runs: the pinned jars of the cache, or those of KAFKA_HOME; and its Java."""

import os

from testbeam.errors import SettingsError
from testbeam.kafka_distribution import jars, java
from testbeam.kafka_distribution.cache import Cache
from testbeam.kafka_distribution.java import Java
from testbeam.kafka_distribution.options import LaunchOptions

_PINNED_LOGGING = [
    "-Dslf4j.provider=org.slf4j.simple.SimpleServiceProvider",  # else all jars are searched for one
    "-Dslf4j.internal.verbosity=WARN",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
    "-Duser.timezone=UTC",
    "-Dlog4j2.loggerContextFactory=org.apache.logging.log4j.simple.SimpleLoggerContextFactory",
    "-Dlog4j2.StatusLogger.level=OFF",
]


class Installation:
    """Jars and Java of one start. `missing`: the pinned jars that have yet to be fetched or checked; none for a KAFKA_HOME."""

    def __init__(
        self, *, name: str, runtime: Java, class_path: list[str], logging: list[str], is_pinned: bool, missing: list[jars.Jar]
    ) -> None:
        self.name = name
        self.java = runtime
        self.class_path = class_path
        self.logging = logging
        self.is_pinned = is_pinned
        self.missing = missing


def find(options: LaunchOptions, cache: Cache, environ: "os._Environ[str] | dict[str, str]" = os.environ) -> Installation:
    """Return what these options lead to.

    Raises:
        SettingsError: KAFKA_HOME has no Kafka in it, or there is no Java.
    """
    kafka_home = options.kafka_home or environ.get("KAFKA_HOME", "")
    if kafka_home:
        runtime = java.find([options.java_home or environ.get("JAVA_HOME", "")])
        return _of_home(os.path.abspath(kafka_home), runtime, options)
    runtime = java.find([options.java_home or ("" if java.bundled_home() else environ.get("JAVA_HOME", ""))])
    pinned = jars.pinned()
    return Installation(
        name=f"Apache Kafka {jars.KAFKA_VERSION}",
        runtime=runtime,
        class_path=jars.class_path(cache.jars, pinned),
        is_pinned=True,
        missing=jars.not_marked(cache.jars, pinned),
        logging=[*_PINNED_LOGGING, f"-Dorg.slf4j.simpleLogger.defaultLogLevel={options.kafka_log_level}"],
    )


def _of_home(kafka_home: str, runtime: Java, options: LaunchOptions) -> Installation:
    libs = os.path.join(kafka_home, "libs")
    names = [name for name, _, _ in jars.listing(libs)]
    if not any(name.startswith(("kafka-server-", "kafka_")) for name in names):
        raise SettingsError(
            "KAFKA_HOME", kafka_home, f"the folder of an unpacked Kafka (there are no Kafka jars in {libs}), or leave it out"
        )
    configuration = os.path.join(kafka_home, "config", "log4j2.yaml")
    logging = [f"-Dkafka.logs.dir={os.path.join(os.path.abspath(options.folder), 'kafka-logs')}"]
    if os.path.exists(configuration):
        logging.append(f"-Dlog4j2.configurationFile={configuration}")
    else:  # then it may log by slf4j-simple
        logging.append(f"-Dorg.slf4j.simpleLogger.defaultLogLevel={options.kafka_log_level}")
    return Installation(
        name=f"Kafka of {kafka_home}",
        runtime=runtime,
        class_path=[os.path.join(libs, name) for name in names],
        is_pinned=False,
        missing=[],
        logging=logging,
    )
