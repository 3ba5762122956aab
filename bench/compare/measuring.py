"""One run: a broker between a producer and a consumer, each a process of its own, on TCP loopback."""

import dataclasses
import os
import time

from machine import Child, Folder, RunFault, free_port, machine_seconds

START_DEADLINE_S = 30


@dataclasses.dataclass
class Workload:
    count: int
    warm_up: int
    rate: int = 0    # messages a second; 0: as fast as it goes
    message_bytes: int = 424


class Broker:
    """A broker with its folder and its ports, from the beginning of a run to its end or longer."""

    def __init__(self, programs, row):
        self.ports = [free_port() for _ in range(3)]
        self._folder = Folder()
        try:
            self.process = row.start(programs, self._folder, self.ports)
        except BaseException:
            self._folder.__exit__()
            raise

    def close(self):
        self.process.kill()
        self._folder.__exit__()


class Machinery:
    """Makes runs. Brokers that are slow to start run on until the end, idle while others are measured."""

    def __init__(self, programs):
        self._programs = programs
        self._kept = {}

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        for broker in self._kept.values():
            broker.close()

    def run(self, row, workload):
        """Its figures by name. Raises RunFault where anything was lost, doubled, out of order or late beyond reason."""
        if not row.kept:
            broker = Broker(self._programs, row)
            try:
                return self._measure(row, workload, broker)
            finally:
                broker.close()
        if row.start not in self._kept:
            self._kept[row.start] = Broker(self._programs, row)
        return self._measure(row, workload, self._kept[row.start])

    def _client(self, role, row, workload, broker, folder):
        separate = row.client in ("zmq_proxy", "relay")
        arguments = [self._programs.client, role, row.client, "--port", broker.ports[0],
                     "--consumer-port", broker.ports[1 if separate else 0], "--size", workload.message_bytes,
                     "--warm-up", workload.warm_up, "--count", workload.count, "--rate", workload.rate, *row.options]
        return Child([str(argument) for argument in arguments], folder.at(role + ".log"))

    def _measure(self, row, workload, broker):
        with Folder() as folder, self._client("consumer", row, workload, broker, folder) as consumer:
            consumer.wait_for("ready", START_DEADLINE_S)
            with self._client("producer", row, workload, broker, folder) as producer:
                return measure(workload, producer, broker.process, consumer)


def measure(workload, producer, broker, consumer):
    consumer.wait_for("warm", START_DEADLINE_S)
    processes = (broker, producer, consumer)
    cpu_before = [process.cpu_seconds() for process in processes]
    busy_before, steal_before = machine_seconds()
    began = time.monotonic()
    producer.write_line("go")
    # The clients live on until they are told to end, so that their processor time can be read.
    done = figures_in(consumer.wait_for("done", 180))
    sent = figures_in(producer.wait_for("sent", 60))
    span = (time.monotonic() - began) * os.cpu_count()
    busy_after, steal_after = machine_seconds()
    cpu = [process.cpu_seconds() - before for process, before in zip(processes, cpu_before)]
    for client in (producer, consumer):
        client.write_line("end")
    for client in (producer, consumer):
        client.wait(START_DEADLINE_S)
    seconds = (done["last_ns"] - sent["first_ns"]) / 1e9
    if seconds <= 0:
        raise RunFault("a run that took no time")
    figures = {"messages_per_second": workload.count / seconds, "seconds": seconds}
    for name, value in zip(("broker", "producer", "consumer"), cpu):
        figures[f"{name}_cpu_s_per_million"] = value / workload.count * 1e6
    figures["steal"] = (steal_after - steal_before) / span
    figures["foreign"] = max(0, busy_after - busy_before - sum(cpu)) / span
    if workload.rate:
        for name in ("p50_us", "p99_us", "p999_us", "max_us"):
            figures[name] = done[name]
        for name in ("late_p50_us", "late_p99_us", "late_us"):
            figures[name] = sent[name]
    return figures


def figures_in(line):
    return {name: float(value) for name, value in (word.split("=") for word in line.split()[1:])}
