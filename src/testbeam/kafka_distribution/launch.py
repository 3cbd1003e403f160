"""Launch of the broker in place of this process: its folder, its configuration files, its command line."""

import os
import sys
import time

from testbeam.kafka_distribution import java, properties
from testbeam.kafka_distribution.aot import AotCache
from testbeam.kafka_distribution.installation import Installation
from testbeam.kafka_distribution.options import LaunchOptions

_FIRST_HEAP_MB = 256  # the default is a share of the machine's memory; more costs page faults at the start, less collections


def become_broker(options: LaunchOptions, installation: Installation, aot: AotCache | None) -> None:
    """Prepare the folder and replace this process by the broker: the pid stays. Does not return.

    Raises:
        SettingsError: an option can't be written into the configuration.
        OSError: the folder can't be written, or Java can't be executed.
    """
    path = write_files(options)
    say(f"{installation.name} on Java {installation.java.version}, {_start_up_cache(aot)}; {_where(options)}")
    sys.stderr.flush()
    os.execv(installation.java.executable, command(options, installation, aot, path))


def write_files(options: LaunchOptions) -> str:
    """Write server.properties and, in a new data folder, meta.properties; return the path of the former."""
    folder = os.path.abspath(options.folder)
    data = os.path.join(folder, "data")
    os.makedirs(data, exist_ok=True)
    os.makedirs(os.path.join(folder, "tmp"), exist_ok=True)
    meta = os.path.join(data, "meta.properties")
    if not os.path.exists(meta):  # Kafka adds to it, and knows its data again by it
        _write(meta, properties.meta_properties(properties.new_cluster_id(os.urandom(21))))
    path = os.path.join(folder, "server.properties")
    _write(path, properties.server_properties(options, data))
    return path


def command(options: LaunchOptions, installation: Installation, aot: AotCache | None, properties_path: str) -> list[str]:
    """Return the broker's whole command line."""
    folder = os.path.dirname(properties_path)
    cache = [f"-XX:AOTCache={aot.path}"] if aot is not None and aot.is_there else []
    cache += [f"-XX:AOTCacheOutput={options.aot_output}"] if options.aot_output else []
    return [installation.java.executable, *cache, *jvm_arguments(installation, options, folder), "kafka.Kafka", properties_path]


def jvm_arguments(installation: Installation, options: LaunchOptions, folder: str) -> list[str]:
    """Return heap, flags, folders, logging and class path: the same for a training run as for a start."""
    return [
        f"-Xms{min(options.heap_mb, _FIRST_HEAP_MB)}m",
        f"-Xmx{options.heap_mb}m",
        *java.flags(installation.java),
        f"-Djava.io.tmpdir={os.path.join(folder, 'tmp')}",
        *installation.logging,
        "-cp",
        ":".join(installation.class_path),
    ]


def say(text: str) -> None:
    """Write one line of log, in the form that every program uses."""
    now_s = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s))
    sys.stderr.write(f"{stamp}.{int(now_s % 1 * 1000):03d}Z INFO    broker: {text}\n")


def _start_up_cache(aot: AotCache | None) -> str:
    if aot is None:
        return "without a start-up cache (it takes Java 25)"
    if aot.is_there:
        return f"start-up cache {aot.path}"
    return f"without a start-up cache ({aot.failure or 'not trained yet'}; `testbeam broker fetch` tries again)"


def _where(options: LaunchOptions) -> str:
    proxied = f", for the proxy on {options.proxy_port} at {options.proxied_port}" if options.proxied_port else ""
    return f"will listen on {options.address}:{options.plain_port}{proxied}"


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
