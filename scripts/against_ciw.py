#!/usr/bin/env python3
"""The queue simulator beside Ciw and SimPy on their own examples, with the same number of customers. Ours is the command as it is,
which simulates on all cores; the others have one thread.

    scripts/against_ciw.py [path of the syncline binary] [--turns 5] [--customers 200000]

Needs ciw and simpy. What is told is the customers a second of the simulation alone for Ciw and SimPy, of the whole command for ours,
so that the comparison is not in our favour, and the mean time in the system that each finds, beside the formula.

`bank` is the M/M/3 queue of Ciw's tutorial, `M/M/1` its example of rates 3 and 5, `carwash` SimPy's: two machines that take five
minutes, and a car every 5 to 9 minutes, of which none waits.
"""

import argparse
import json
import math
import random
import statistics
import subprocess
import time
from functools import partial
from typing import NamedTuple


class Queue(NamedTuple):
    """Arrivals and services as ours, Ciw's and SimPy's words have them."""

    servers: int
    arrivals: str
    service: str
    gap: tuple
    work: tuple


QUEUES = {
    "bank": Queue(3, "exp:0.2", "exp:0.1", ("Exponential", 0.2), ("Exponential", 0.1)),
    "M/M/1": Queue(1, "exp:3", "exp:5", ("Exponential", 3.0), ("Exponential", 5.0)),
    "carwash": Queue(2, "renewal:uniform:5,9", "det:5", ("Uniform", 5.0, 9.0), ("Deterministic", 5.0)),
}


def formula(queue):
    """Mean time in the system: Erlang's of M/M/c; where nobody waits the service itself."""
    if queue.work[0] == "Deterministic":
        return queue.work[1]
    arrivals, service, servers = queue.gap[1], queue.work[1], queue.servers
    load = arrivals / service
    busy = load**servers / math.factorial(servers) / (1 - load / servers)
    waits = busy / (sum(load**k / math.factorial(k) for k in range(servers)) + busy)
    return waits / (servers * service - arrivals) + 1 / service


def by_ciw(queue, customers):
    import ciw

    network = ciw.create_network(
        arrival_distributions=[getattr(ciw.dists, queue.gap[0])(*queue.gap[1:])],
        service_distributions=[getattr(ciw.dists, queue.work[0])(*queue.work[1:])],
        number_of_servers=[queue.servers],
    )
    ciw.seed(1)
    simulation = ciw.Simulation(network)
    begun = time.perf_counter()
    simulation.simulate_until_max_customers(customers, method="Finish")
    took = time.perf_counter() - begun
    times = [record.exit_date - record.arrival_date for record in simulation.get_all_records()]
    return took, statistics.fmean(times)


def by_simpy(queue, customers):
    import simpy

    draw, environment = random.Random(1), simpy.Environment()
    servers, times = simpy.Resource(environment, capacity=queue.servers), []
    drawn = {"Exponential": draw.expovariate, "Uniform": draw.uniform, "Deterministic": float}

    def customer():
        came = environment.now
        with servers.request() as request:
            yield request
            yield environment.timeout(drawn[queue.work[0]](*queue.work[1:]))
        times.append(environment.now - came)

    def source():
        for _ in range(customers):
            yield environment.timeout(drawn[queue.gap[0]](*queue.gap[1:]))
            environment.process(customer())

    environment.process(source())
    begun = time.perf_counter()
    environment.run()
    return time.perf_counter() - begun, statistics.fmean(times)


def by_ours(binary, queue, customers):
    command = [
        binary, "queue", "simulate", "--system", "single-queue", "--workers", str(queue.servers), "--tasks", "1",
        "--arrivals", queue.arrivals, "--service", queue.service, "--jobs", str(customers), "--seed", "1", "--json",
    ]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    took = time.perf_counter() - begun
    return took, json.loads(done.stdout)["mean"]["value"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", nargs="?", default="target/release/syncline")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--customers", type=int, default=200_000)
    asked = parser.parse_args()
    peers = {"ours": partial(by_ours, asked.binary), "Ciw": by_ciw, "SimPy": by_simpy}
    print("| example | by | customers/s | least .. most | ours is faster by | mean time found | formula |\n|---|---|--:|--:|--:|--:|--:|")
    for example, queue in QUEUES.items():
        turns = {name: [] for name in peers}
        for _ in range(asked.turns):
            for name, simulate in peers.items():
                turns[name].append(simulate(queue, asked.customers))
        speeds = {name: [asked.customers / took for took, _ in found] for name, found in turns.items()}
        for name, found in turns.items():
            middle = statistics.median(speeds[name])
            ratio = statistics.median(speeds["ours"]) / middle
            told = f"{middle:.0f} | {min(speeds[name]):.0f} .. {max(speeds[name]):.0f} | {ratio:.1f}"
            print(f"| {example} | {name} | {told} | {found[0][1]:.3f} | {formula(queue):.3f} |", flush=True)


if __name__ == "__main__":
    main()
