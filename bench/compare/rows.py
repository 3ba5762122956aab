"""The rows of the table: which broker, how it is started and tuned, by which client, and what it promises.

Each broker is one of Debian's packages, run by whoever calls, on free ports of loopback and in a temporary folder. The
limits that would hold up a run of this kind are raised; nothing is switched on or off that its promise rests on.
"""

import dataclasses
import os
import shutil

from machine import Child

START_DEADLINE_S = 60

NOTHING, AT_MOST_ONCE, WHILE_IT_RUNS, ACROSS_A_RESTART = range(4)
PROMISES = ("nothing", "at most once", "at least once while it runs", "at least once, across a restart")


@dataclasses.dataclass
class Row:
    name: str
    title: str
    promise: int
    guarantee: str
    client: str      # of bench_compare_client
    start: object    # (Programs, Folder, ports) -> Child
    speed: float     # messages a second, roughly: how much the first run moves
    options: tuple = ()   # of the client
    program: str = ""     # what has to be installed besides the client; "": nothing
    package: str = ""     # whose version is named
    kept: bool = False    # the broker takes so long to start that it runs on from one run to the next


@dataclasses.dataclass
class Programs:
    signalbox: str
    client: str


def start_signalbox(programs, folder, ports):
    file = folder.file("signalbox.toml", f"""\
router_class = "SimpleDispatchRouter"
transport_names = ["smpp"]
exposed_names = ["app"]

[broker]
endpoint = "tcp://127.0.0.1:{ports[0]}"

[endpoint_defaults]
max_messages = 20000

[routing_mappings]
smpp = "app"
""")
    return listening(Child([programs.signalbox, "serve", file], folder.at("broker.log")), ports)


def start_own(name):
    def start(programs, folder, ports):
        broker = Child([programs.client, "broker", name, "--port", str(ports[0]), "--consumer-port", str(ports[1])],
                       folder.at("broker.log"))
        broker.wait_for("ready", START_DEADLINE_S)
        return broker
    return start


def start_nats(with_streams):
    def start(_, folder, ports):
        text = f'host: "127.0.0.1"\nport: {ports[0]}\nmax_pending: 4GB\nwrite_deadline: "30s"\n'
        if with_streams:
            text += f'jetstream {{ store_dir: "{folder.path}", max_mem: 4GB, max_file: 8GB }}\n'
        file = folder.file("nats.conf", text)
        return listening(Child([found("nats-server"), "-c", file], folder.at("broker.log")), ports)
    return start


def start_redis(*options):
    def start(_, folder, ports):
        arguments = [found("redis-server"), "--port", str(ports[0]), "--bind", "127.0.0.1", "--save", "", "--dir",
                     folder.path, "--loglevel", "warning", "--daemonize", "no", *options]
        return listening(Child(arguments, folder.at("broker.log")), ports)
    return start


def start_mosquitto(_, folder, ports):
    file = folder.file("mosquitto.conf", f"""\
listener {ports[0]} 127.0.0.1
allow_anonymous true
persistence false
log_type error
max_queued_messages 0
max_inflight_messages 1000
set_tcp_nodelay true
""")
    return listening(Child([found("mosquitto"), "-c", file], folder.at("broker.log")), ports)


def start_rabbitmq(_, folder, ports):
    """The script of the package's own, without the wrapper that wants to be root; names and ports are all private. The
    port mapper of Erlang, which would stay behind as a daemon, is a child here, started beforehand."""
    settings = folder.file("rabbitmq.conf", f"listeners.tcp.1 = 127.0.0.1:{ports[0]}\nlog.file.level = error\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": folder.path,
        "ERL_EPMD_PORT": str(ports[1]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "compare@localhost",
        "RABBITMQ_DIST_PORT": str(ports[2]),
        "RABBITMQ_CONFIG_FILE": settings,
        "RABBITMQ_CONF_ENV_FILE": folder.file("rabbitmq-env.conf", ""),
        "RABBITMQ_MNESIA_BASE": folder.at("mnesia"),
        "RABBITMQ_LOG_BASE": folder.at("log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": folder.file("enabled_plugins", "[]."),
        "RABBITMQ_PID_FILE": folder.at("rabbitmq.pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }
    script = f'"{found("epmd")}" -port {ports[1]} -address 127.0.0.1 & exec "{found("rabbitmq-server")}" >/dev/null'
    return listening(Child(["/bin/sh", "-c", script], folder.at("broker.log"), environment), ports)


def listening(broker, ports):
    try:
        broker.wait_for_port(ports[0], START_DEADLINE_S)
    except BaseException:
        broker.kill()
        raise
    return broker


def found(program):
    """Where it is; Debian keeps some out of the path of those who are not root."""
    folders = "/usr/lib/rabbitmq/bin:" + os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"
    return shutil.which(program, path=folders) or ""


def rabbitmq(name, title, promise, guarantee, speed, *options):
    return Row(name, title, promise, guarantee, "rabbitmq", start_rabbitmq, speed, options, "rabbitmq-server",
               "rabbitmq-server", kept=True)


def all_rows():
    stream = ("--window", "4000", "--prefetch", "5000", "--acknowledge-each", "100")
    pipelined = ("--window", "1024", "--prefetch", "256")
    twenty = ("--durable", "--prefetch", "20")
    confirmed = ("--window", "1000")
    five_hundred = ("--prefetch", "500", "--acknowledge-each", "100")
    return [
        Row("signalbox", "**Signalbox**", WHILE_IT_RUNS,
            "confirmed and acknowledged; what is confirmed is not lost while the broker runs", "signalbox",
            start_signalbox, 1_500_000, ("--window", "16384", "--prefetch", "16384")),
        Row("zmq_proxy", "libzmq `zmq_proxy`, PUSH to PULL", NOTHING, "none; a full pipe holds up the sender",
            "zmq_proxy", start_own("zmq_proxy"), 800_000, package="libzmq5"),
        Row("forwarder", "libzmq, least ROUTER–DEALER forwarder", NOTHING, "none; a full pipe holds up the sender",
            "forwarder", start_own("forwarder"), 700_000, package="libzmq5"),
        Row("nats", "NATS core", AT_MOST_ONCE, "at most once; a consumer that is too slow is cut off", "nats",
            start_nats(False), 500_000, program="nats-server", package="nats-server"),
        Row("jetstream-memory", "NATS JetStream, memory", WHILE_IT_RUNS,
            "at least once: confirmed, 1 acknowledgement for 100; not across a restart", "jetstream", start_nats(True),
            60_000, stream, "nats-server", "nats-server"),
        Row("jetstream-file", "NATS JetStream, file", ACROSS_A_RESTART,
            "at least once: the same, across a restart; not synced one by one, so not across a power cut", "jetstream",
            start_nats(True), 60_000, (*stream, "--file"), "nats-server", "nats-server"),
        rabbitmq("rabbitmq-vumi", "RabbitMQ as vumi runs it, prefetch 20", ACROSS_A_RESTART,
                 "durable and persistent, each acknowledged; no confirms, so at least once from the queue on",
                 7_000, *twenty),
        rabbitmq("rabbitmq-20", "RabbitMQ as vumi, and confirms", ACROSS_A_RESTART,
                 "at least once, across a restart", 6_000, *twenty, *confirmed),
        rabbitmq("rabbitmq-500", "RabbitMQ, prefetch 500, transient", WHILE_IT_RUNS,
                 "at least once: confirms, 1 acknowledgement for 100; not across a restart", 25_000, *five_hundred,
                 *confirmed),
        rabbitmq("rabbitmq-500-durable", "RabbitMQ, prefetch 500, persistent", ACROSS_A_RESTART,
                 "at least once, across a restart: the same, durable and persistent", 10_000, "--durable",
                 *five_hundred, *confirmed),
        Row("redis", "Redis Streams, in memory", WHILE_IT_RUNS, "at least once; not across a restart", "redis",
            start_redis("--appendonly", "no"), 100_000, pipelined, "redis-server", "redis-server"),
        Row("redis-aof", "Redis Streams, AOF every second", ACROSS_A_RESTART,
            "at least once, across a restart; a power cut loses a second", "redis",
            start_redis("--appendonly", "yes", "--appendfsync", "everysec"), 70_000, pipelined, "redis-server",
            "redis-server"),
        Row("mosquitto", "Mosquitto, QoS 1", WHILE_IT_RUNS,
            "at least once: confirmed and acknowledged one by one; not across a restart", "mosquitto", start_mosquitto,
            15_000, ("--window", "100", "--prefetch", "1000"), "mosquitto", "mosquitto"),
        Row("relay", "TCP relay, no broker: the floor", NOTHING, "none; knows bytes, not messages", "relay",
            start_own("relay"), 1_500_000),
    ]


def missing(row, clients):
    """Why the row has to be left out; "" if it need not."""
    if row.client not in clients:
        return "its client library was not there when this was built"
    if row.program and not found(row.program):
        return f"there is no {row.program} on this machine"
    return ""
