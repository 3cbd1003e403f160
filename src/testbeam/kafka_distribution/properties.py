"""Kafka's configuration: server.properties and meta.properties as text."""

from testbeam.errors import SettingsError
from testbeam.kafka_distribution.options import LaunchOptions

_LARGEST_REQUEST = 104_857_600
_REQUESTS_SHARE_OF_HEAP = 0.4

# One node is all there is: one copy of everything, and no waiting for others.
_SINGLE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAIN",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}
_QUICK = {
    "group.initial.rebalance.delay.ms": "0",
    "controller.quorum.append.linger.ms": "0",  # 25 ms at each of the steps of a start, and at each new topic
    "metadata.max.idle.interval.ms": "0",
    "metric.reporters": "",  # the default publishes thousands of JMX beans that nobody reads
    # After SIGKILL the broker may register again when its last session has run out: 11 s by default, now 1.6 s with the restart itself.
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "200",
}
_SMALL = {
    "num.network.threads": "1",
    "num.io.threads": "2",
    "background.threads": "1",
    "num.recovery.threads.per.data.dir": "1",
    "group.coordinator.threads": "1",
    "share.coordinator.threads": "1",
    "log.cleaner.dedupe.buffer.size": "2097152",
}
_FAITHFUL = {
    "auto.create.topics.enable": "false",  # a typo in a topic's name must fail
    "log.retention.ms": "-1",  # a run from last year that is played again must not be swept away by its time stamps
    "log.message.timestamp.after.max.ms": "9223372036854775807",  # nor one refused from a clock that is ahead
    "message.max.bytes": str(_LARGEST_REQUEST),
    "socket.request.max.bytes": str(_LARGEST_REQUEST),
    "replica.fetch.max.bytes": str(_LARGEST_REQUEST),
}

_BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def server_properties(options: LaunchOptions, data_folder: str) -> str:
    """Return the text of server.properties; `options.property` entries `key=value` win.

    Raises:
        SettingsError: an entry is not of that form, or the folder's path has a comma (Kafka would take it for two).
    """
    if "," in data_folder:
        raise SettingsError("folder", data_folder, "a path without a comma")
    values = (
        _SINGLE_NODE
        | _QUICK
        | _SMALL
        | _FAITHFUL
        | _memory(options)
        | _listeners(options)
        | {"log.dirs": data_folder}
        | _own(options.property)
    )
    return "".join(f"{key}={_escaped(value)}\n" for key, value in values.items())


def meta_properties(cluster_id: str) -> str:
    """Return the text of meta.properties: what `kafka-storage format` would write, without the second that its JVM takes."""
    return f"version=1\ncluster.id={cluster_id}\nnode.id=1\n"


def new_cluster_id(random: bytes) -> str:
    """Return 22 random bytes as an id of Kafka: 128 bits in base64url, the first character not a dash."""
    first, *others = (_BASE64URL[byte & 63] for byte in random[:21])
    return f"{'A' if first == '-' else first}{''.join(others)}A"  # of the last character only two bits count


def _memory(options: LaunchOptions) -> dict[str, str]:
    """Return how many bytes of requests are held at once: reading pauses above, and the last one may go beyond by its own size.

    Room for a request is made when its length has come, so whoever announces a large one and stays holds as much. The serial collector's
    old generation is two thirds of the heap: 0.4 of it, one largest request and Kafka's own 40 MB fit in at 768 MB.
    """
    share = int(options.heap_mb * 1_000_000 * _REQUESTS_SHARE_OF_HEAP)
    return {"queued.max.request.bytes": str(max(share, _LARGEST_REQUEST))}


def _listeners(options: LaunchOptions) -> dict[str, str]:
    at = options.address
    listening = [f"PLAIN://{at}:{options.plain_port}", f"CONTROLLER://{at}:{options.controller_port}"]
    advertised = [f"PLAIN://{at}:{options.plain_port}"]
    if options.proxied_port:
        listening.append(f"PROXIED://{at}:{options.proxied_port}")
        advertised.append(f"PROXIED://{at}:{options.proxy_port or options.proxied_port}")
    return {
        "controller.quorum.voters": f"1@{at}:{options.controller_port}",
        "listeners": ",".join(listening),
        "advertised.listeners": ",".join(advertised),
        "listener.security.protocol.map": "PLAIN:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }


def _own(entries: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not equals or not key.strip():
            raise SettingsError(
                "property", entry, "key=value with a key of Kafka's broker configuration, such as message.max.bytes=1000000"
            )
        pairs[key.strip()] = value.strip()
    return pairs


def _escaped(value: str) -> str:
    """Return a value as Java reads it back: Properties files are Latin-1, and a backslash starts an escape."""
    plain = value.replace("\\", "\\\\")
    return "".join(c if " " <= c <= "~" else "".join(f"\\u{unit:04x}" for unit in _utf16(c)) for c in plain)


def _utf16(character: str) -> list[int]:
    data = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
