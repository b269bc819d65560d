#!/usr/bin/env python3
"""How long an array takes to a service in another process and back: ours beside Ray, PyTorch's RPC and queues of multiprocessing.

    scripts/round_trips.py [--turns 3]

Needs the package syncline and NumPy; peers that are not installed (ray, torch) are left out, and said. The service gives back the
array that it gets. Each turn is a run of each peer in turn: a number of calls to warm up, then the median of many; what is told is
the median of the turns, with the least and the most. Arrays of 32 bits of 1 KiB, 1 MiB and 64 MiB; all on this machine.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import time

import numpy as np

#: Bytes of the array, and how many calls are timed.
SIZES = {"1 KiB": (1 << 10, 500), "1 MiB": (1 << 20, 100), "64 MiB": (1 << 26, 8)}


def timed(call):
    """The median time of a call for each size, in seconds."""
    found = {}
    for name, (size, calls) in SIZES.items():
        array = np.arange(size // 4, dtype=np.float32)
        times = []
        for number in range(calls + calls // 4 + 2):
            begun = time.perf_counter()
            answer = call(array)
            took = time.perf_counter() - begun
            assert answer.shape == array.shape and answer[-1] == array[-1]
            if number >= calls // 4 + 2:
                times.append(took)
        found[name] = statistics.median(times)
    return found


class Echo:
    """The service."""

    def back(self, array):
        return array


def tell(found):
    print(json.dumps(found), flush=True)


def ours():
    import syncline

    program = syncline.Program("round-trips")
    program.node("caller", lambda service: tell(timed(service.back)), program.service("echo", Echo))
    program.run("processes")


def queues():
    there, back = multiprocessing.Queue(), multiprocessing.Queue()

    def serve():
        while (array := there.get()) is not None:
            back.put(array)

    process = multiprocessing.get_context("fork").Process(target=serve)
    process.start()

    def call(array):
        there.put(array)
        return back.get()

    tell(timed(call))
    there.put(None)
    process.join()


def ray():
    # It stays on this machine, and may take long to start where others use it as well, behind whom its workers would stand by themselves.
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_raylet_start_wait_time_s="300", RAY_worker_niceness="0")
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False, _node_ip_address="127.0.0.1")
    echo = ray.remote(Echo).remote()
    tell(timed(lambda array: ray.get(echo.back.remote(array))))
    ray.shutdown()


def rpc_back(tensor):
    return tensor


def rpc():
    import torch
    from torch.distributed import rpc

    if "RANK" not in os.environ:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TP_SOCKET_IFNAME": "lo", "GLOO_SOCKET_IFNAME": "lo"}
        started = [
            subprocess.Popen([sys.executable, __file__, "--run", "rpc"], env={**os.environ, **meeting, "RANK": str(rank)})
            for rank in (0, 1)
        ]
        if any([process.wait(300) for process in started]):
            sys.exit("a process of PyTorch's RPC failed")
        return
    rank = int(os.environ["RANK"])
    rpc.init_rpc(f"node{rank}", rank=rank, world_size=2)
    if rank == 0:
        tell(timed(lambda array: rpc.rpc_sync("node1", rpc_back, args=(torch.from_numpy(array),)).numpy()))
    rpc.shutdown()


#: How the line with the times begins.
BEGIN = '{"1 KiB": '

#: Name: how it is run, and the module that it needs.
PEERS = {
    "ours": (ours, "syncline"),
    "multiprocessing.Queue": (queues, "multiprocessing"),
    "Ray actor": (ray, "ray"),
    "PyTorch RPC": (rpc, "torch"),
}


def main():
    by_name = {function.__name__: function for function, _ in PEERS.values()}
    if "--run" in sys.argv:
        return by_name[sys.argv[sys.argv.index("--run") + 1]]()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    turns = parser.parse_args().turns
    found = {}
    for _ in range(turns):
        for name, (function, module) in PEERS.items():
            if importlib.util.find_spec(module) is None:
                found[name] = []
                continue
            command = [sys.executable, __file__, "--run", function.__name__]
            # What a node of a program prints is passed on by the launcher, on standard error.
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
            told = [line[line.index(BEGIN) :] for line in done.stdout.splitlines() if BEGIN in line]
            if done.returncode or len(told) != 1:
                sys.exit(f"{name} failed:\n{done.stdout}")
            found.setdefault(name, []).append(json.loads(told[0]))
    print("| round trip of | by | median, ms | least .. most | beside ours |\n|---|---|--:|--:|--:|")
    for size in SIZES:
        ours_s = statistics.median(turn[size] for turn in found["ours"])
        for name, of_turns in found.items():
            if not of_turns:
                print(f"| {size} | {name} | not installed | | |")
                continue
            times = [turn[size] * 1e3 for turn in of_turns]
            middle = statistics.median(times)
            print(f"| {size} | {name} | {middle:.3f} | {min(times):.3f} .. {max(times):.3f} | {middle / 1e3 / ours_s:.2f} |")


if __name__ == "__main__":
    main()
