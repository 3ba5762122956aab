"""What peers that mean harm cost those that do not: docs/bounds.md.

    attack.py [--short] [--only NAME …]

For each attack there is a broker of its own and an honest pair that sends as fast as its window allows. The pair is
measured in phases that alternate: beside honest workers that send as many frames a second as the attackers try to, and
beside the attackers. The ratio of the medians says what the attack takes that honest traffic would not; the broker's
resident memory must stay within the bound, and must not go on growing from phase to phase.

Exit code 0: everything held. `--short` has fewer and smaller attacks, and bounds for a machine that does other things
at the same time; it is what the tests run.
"""

import argparse
import collections
import json
import os
import resource
import select
import statistics
import subprocess
import sys
import time
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wire"))

import bus  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
DESCRIPTORS_A_PROCESS = 2500  # of the attackers; the broker has to have all of them
ANSWER_S = 60
TRIES = 3

MEBIBYTE = 1 << 20
BROKER_BYTES = 32 * MEBIBYTE  # whatever comes: queues, what lies at workers, routing memory, libzmq's own
CONNECTION_BYTES = 150 << 10  # of each connection
GROWTH_BYTES = 6 * MEBIBYTE   # between the first phase of an attack and its last,
BUFFER_BYTES = 32 << 10       # and of each connection, until all have had their turn

Attack = collections.namedtuple("Attack", "name kind connections rate options honest")


def attacks(short):
    """`honest`: how many connections the same load of honest traffic has; 0: there is none to compare with."""
    size = 10 if short else 1
    rate = 20_000 if short else 100_000

    def flood(sort, connections, rate=rate, honest=None, **options):
        return Attack(sort, "flood", connections, rate, {"sort": sort, **options},
                      min(connections, 20) if honest is None else honest)

    return [
        Attack("silent", "silent", 10_000 // size, 0, {}, 0),
        flood("garbage", 1000 // size),
        flood("tiny", 1),
        flood("hello", 100 // size, rate // 5),
        flood("send", 100 // size),
        flood("ping", 10),
        flood("ack", 10),
        flood("nack", 10, rate // 5, role="application", name="bad_taker"),
        flood("deaf", 100 // size, reads=False),
        flood("parts", 10, rate // 50),
        Attack("churn", "churn", 1, 200 if short else 500, {}, 0),
    ]


class Group:
    """One process of peers."""

    def __init__(self, kind, endpoint, **options):
        self.process = subprocess.Popen(
            [sys.executable, "-B", os.path.join(HERE, "peers.py"), kind, endpoint, json.dumps(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.kind = kind

    def line(self):
        if not select.select([self.process.stdout], [], [], ANSWER_S)[0]:
            raise AssertionError("the peers of sort %r do not answer" % self.kind)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the peers of sort %r have ended" % self.kind)
        return line

    def ready(self):
        assert self.line() == b"ready\n"
        return self

    def go(self):
        os.write(self.process.stdin.fileno(), b"go\n")

    def stop(self):
        os.write(self.process.stdin.fileno(), b"stop\n")
        return json.loads(self.line())

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def configuration(endpoint):
    # The windows are wide, so that a fixed pace never meets them; the queues are small, so that memory is the peers'.
    return """
router_class    = "SimpleDispatchRouter"
transport_names = ["honest", "noise", "bad"]
exposed_names   = ["taker", "noise_taker", "bad_taker"]

[routing_mappings]
honest = "taker"
noise = "noise_taker"
bad = "bad_taker"

[broker]
endpoint = "%s"
routing_memory_bytes = 4194304
send_window = 1048576
send_window_bytes = 1073741824

[endpoint_defaults]
max_bytes = 4194304
""" % endpoint


class Run:
    def __init__(self, attack, phase_s, pairs):
        self.attack, self.phase_s, self.pairs = attack, phase_s, pairs
        self.groups = []

    def __enter__(self):
        import zmq

        self.broker = bus.Broker(configuration, zmq.Context())
        return self

    def __exit__(self, *_):
        for group in self.groups:
            group.end()
        self.broker.stop()
        self.broker.context.destroy(linger=0)

    def group(self, kind, **options):
        self.groups.append(Group(kind, self.broker.endpoint, **options))
        return self.groups[-1]

    def attackers(self):
        left, groups = self.attack.connections, []
        while left > 0:
            count = min(left, DESCRIPTORS_A_PROCESS)
            rate = self.attack.rate * count // self.attack.connections
            groups.append(self.group(self.attack.kind, connections=count, rate=rate, **self.attack.options))
            left -= count
        return [group.ready() for group in groups]

    def phase(self, pair, others):
        """The pair beside the others: its messages a second, and what the others have done."""
        for group in others:
            group.go()
        pair.go()
        deadline, peak = time.monotonic() + self.phase_s, 0
        while (left := deadline - time.monotonic()) > 0:
            select.select([], [], [], min(left, 0.05))
            peak = max(peak, self.broker.resident_bytes())
        mine = pair.stop()
        done = [group.stop() for group in others]
        total = {key: sum(one[key] for one in done) for key in ("frames", "closed", "errors")}
        total["rate"] = sum(one["frames"] / one["seconds"] for one in done)
        return mine["messages"] / mine["seconds"], mine["worst_ms"], total, peak

    def measure(self):
        pair = self.group("pair").ready()
        self.phase(pair, [])
        resident = self.broker.resident_bytes()
        honest = []
        if self.attack.honest:
            honest = [self.group("honest", connections=self.attack.honest, rate=self.attack.rate).ready()]
        beside = types.SimpleNamespace(honest=[], honest_rates=[], attack=[], rates=[], peaks=[], worst_ms=0, errors=0)

        def beside_honest():
            messages, _, total, _ = self.phase(pair, honest)
            beside.honest.append(messages)
            beside.honest_rates.append(total["rate"])
            beside.errors += total["errors"]

        # Connections that are there are there in every phase; so what they cost is seen against none at all.
        if self.attack.kind == "silent":
            for _ in range(self.pairs):
                beside_honest()
        attackers = self.attackers()
        for _ in range(self.pairs):
            if self.attack.kind != "silent":
                beside_honest()
            messages, worst_ms, total, peak = self.phase(pair, attackers)
            beside.attack.append(messages)
            beside.rates.append(total["rate"])
            beside.worst_ms = max(beside.worst_ms, worst_ms)
            beside.peaks.append(peak - resident)
        return beside


def judge(attack, beside, ratio_min, ratios_count, memory_counts, is_last):
    """What did not hold, as words. None: nothing but the ratio, and this was not the last try. Whatever else the
    machine does can spoil one measurement; a broker that is unfair spoils each."""
    faults = []
    ratio = statistics.median(beside.attack) / statistics.median(beside.honest)
    if beside.errors:
        faults.append("the honest load was answered ERROR %d times" % beside.errors)
    if min(beside.attack) <= 0:
        faults.append("the pair stood still")
    too_slow = ratios_count and ratio < ratio_min
    bound = BROKER_BYTES + attack.connections * CONNECTION_BYTES
    if memory_counts and max(beside.peaks) > bound:
        faults.append("the broker took %d MiB" % (max(beside.peaks) // MEBIBYTE))
    growth = GROWTH_BYTES + attack.connections * BUFFER_BYTES
    if memory_counts and beside.peaks[-1] - beside.peaks[0] > growth:
        faults.append("the broker grew by %d MiB from the first phase to the last" %
                      ((beside.peaks[-1] - beside.peaks[0]) // MEBIBYTE))
    if too_slow and (is_last or faults):
        faults.append("the pair had %.2f of what it had beside honest traffic" % ratio)
    verdict = "; ".join(faults) or ("once more, for the ratio" if too_slow else "held")
    print("%-8s %6d %8d %8d %9d %9d %6.2f %8.0f %7.0f %6d  %s" % (
        attack.name, attack.connections, statistics.median(beside.honest_rates), statistics.median(beside.rates),
        statistics.median(beside.honest), statistics.median(beside.attack), ratio, beside.worst_ms,
        max(beside.peaks) / MEBIBYTE, bound // MEBIBYTE, verdict), flush=True)
    return faults if faults or not too_slow else None


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--short", action="store_true")
    arguments.add_argument("--only", nargs="+", metavar="NAME")
    options = arguments.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    sanitized = os.environ.get("SIGNALBOX_SANITIZER", "none") != "none"

    print("%-8s %6s %8s %8s %9s %9s %6s %8s %7s %6s" % (
        "attack", "peers", "honest/s", "hostile/s", "beside", "under", "ratio", "worst ms", "MiB", "bound"), flush=True)
    faults = 0
    for attack in attacks(options.short):
        if options.only and attack.name not in options.only:
            continue
        attack = attack._replace(connections=min(attack.connections, hard - 500))
        for attempt in range(TRIES):
            with Run(attack, 0.4 if options.short else 2.0, 2 if options.short else 5) as run:
                beside = run.measure()
                if run.broker.process.poll() is not None:
                    raise AssertionError("the broker has ended:\n" + run.broker.log())
            found = judge(attack, beside, 0.4 if options.short else 0.8, not sanitized, not sanitized,
                          attempt == TRIES - 1)
            if found is not None:
                faults += len(found)
                break
    return faults > 0


if __name__ == "__main__":
    sys.exit(main())
