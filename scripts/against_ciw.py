#!/usr/bin/env python3
"""The queue simulator beside Ciw and SimPy: the M/M/3 queue of Ciw's first example, the same number of customers. Ours is the command
as it is, which simulates on all cores; the others have one thread.

    scripts/against_ciw.py [path of the syncline binary] [--turns 5] [--customers 200000]

Needs ciw and simpy. What is told is the customers a second of the simulation alone for Ciw and SimPy, of the whole command for ours,
so that the comparison is not in our favour, and the mean time in the system that each finds, beside the formula of Erlang.
"""

import argparse
import json
import math
import random
import statistics
import subprocess
import time

ARRIVALS, SERVICE, SERVERS = 0.2, 0.1, 3


def erlang():
    """Mean time in the system of M/M/c."""
    load = ARRIVALS / SERVICE
    busy = load**SERVERS / math.factorial(SERVERS) / (1 - load / SERVERS)
    waits = busy / (sum(load**k / math.factorial(k) for k in range(SERVERS)) + busy)
    return waits / (SERVERS * SERVICE - ARRIVALS) + 1 / SERVICE


def by_ciw(customers):
    import ciw

    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(ARRIVALS)],
        service_distributions=[ciw.dists.Exponential(SERVICE)],
        number_of_servers=[SERVERS],
    )
    ciw.seed(1)
    simulation = ciw.Simulation(network)
    begun = time.perf_counter()
    simulation.simulate_until_max_customers(customers, method="Finish")
    took = time.perf_counter() - begun
    times = [record.exit_date - record.arrival_date for record in simulation.get_all_records()]
    return took, statistics.fmean(times)


def by_simpy(customers):
    import simpy

    draw, environment = random.Random(1), simpy.Environment()
    servers, times = simpy.Resource(environment, capacity=SERVERS), []

    def customer():
        came = environment.now
        with servers.request() as request:
            yield request
            yield environment.timeout(draw.expovariate(SERVICE))
        times.append(environment.now - came)

    def source():
        for _ in range(customers):
            yield environment.timeout(draw.expovariate(ARRIVALS))
            environment.process(customer())

    environment.process(source())
    begun = time.perf_counter()
    environment.run()
    return time.perf_counter() - begun, statistics.fmean(times)


def by_ours(binary, customers):
    command = [
        binary, "queue", "simulate", "--system", "single-queue", "--workers", str(SERVERS), "--tasks", "1",
        "--arrivals", f"exp:{ARRIVALS}", "--service", f"exp:{SERVICE}", "--jobs", str(customers), "--seed", "1", "--json",
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
    peers = {"ours": lambda customers: by_ours(asked.binary, customers), "Ciw": by_ciw, "SimPy": by_simpy}
    turns = {name: [] for name in peers}
    for _ in range(asked.turns):
        for name, simulate in peers.items():
            turns[name].append(simulate(asked.customers))
    print(f"Mean time in the system by the formula: {erlang():.3f}")
    print("| by | customers/s | least .. most | ours is faster by | mean time found |\n|---|--:|--:|--:|--:|")
    speeds = {name: [asked.customers / took for took, _ in found] for name, found in turns.items()}
    for name, found in turns.items():
        middle = statistics.median(speeds[name])
        ratio = statistics.median(speeds["ours"]) / middle
        told = f"{middle:.0f} | {min(speeds[name]):.0f} .. {max(speeds[name]):.0f} | {ratio:.1f} | {found[0][1]:.3f}"
        print(f"| {name} | {told} |")


if __name__ == "__main__":
    main()
