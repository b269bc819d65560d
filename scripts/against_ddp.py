#!/usr/bin/env python3
"""PyTorch's DistributedDataParallel with gloo beside ours: the same modules, rows, batches, steps and threads, on two processes.

    scripts/against_ddp.py [--turns 3] [--steps 300] [--only mlp ...]

Needs torch and the package syncline in the interpreter that runs it. Each setting is run by one in turn, so that a busy moment of
the machine meets all of them. What is told is the samples a second of both workers together, once both have taken their first
steps, the median of the turns with the least and the most, and the mean loss of the last steps. `apart` are two processes that train
each their own model and never meet: what the others lack of its samples is what synchronisation costs, in shares of the time.

Settings: `mlp` 784-256-128-10 and `cnn`, two convolutions and a linear layer on 28 x 28 pixels, with batches of 64 and 512 a worker;
`straggler` is the mlp with batches of 64, whose worker 1 pauses 20 ms at every tenth step.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORKERS, ROWS, FIRST = 2, 16384, 20
#: Name: model, batch, pause of worker 1 at every tenth step in seconds.
SETTINGS = {
    "mlp, batch 64": ("mlp", 64, 0.0),
    "mlp, batch 512": ("mlp", 512, 0.0),
    "cnn, batch 64": ("cnn", 64, 0.0),
    "cnn, batch 512": ("cnn", 512, 0.0),
    "straggler": ("mlp", 64, 0.02),
}
#: Name: how it is run, and the policy.
RUNNERS = {
    "apart": ("apart", ""),
    "gloo": ("ddp", ""),
    "ours, allreduce": ("ours", "allreduce"),
    "ours, bsp": ("ours", "bsp"),
    "ours, ssp:4": ("ours", "ssp:4"),
}


def module(kind):
    from torch import nn

    if kind == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 4 * 4, 10)
    )


def work(how, kind, batch, pause, steps, out):
    """One worker's part."""
    import torch
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(1)
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    torch.manual_seed(1)
    truth = torch.randn(784, 10)
    pixels = torch.randn(ROWS, 1, 28, 28)
    kinds = (pixels.flatten(1) @ truth).argmax(dim=1)
    pixels, kinds = pixels[rank::world], kinds[rank::world]
    model, worker = module(kind), None
    if how == "ddp":
        import torch.distributed

        torch.distributed.init_process_group("gloo")
        model = torch.nn.parallel.DistributedDataParallel(model)
    if how == "ours":
        import syncline

        worker = syncline.join(model, steps_per_epoch=steps, batch_size=batch, optimizer="sgd", lr=0.05)
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses, begun = [], 0.0
    for step in range(steps):
        if step == FIRST:
            begun = time.perf_counter()
        if pause and rank == 1 and step % 10 == 9:
            time.sleep(pause)
        at = step * batch % (len(pixels) - batch + 1)
        loss = cross_entropy(model(pixels[at : at + batch]), kinds[at : at + batch])
        loss.backward()
        if worker is None:
            optimizer.step()
            optimizer.zero_grad()
        else:
            worker.step(loss=loss)
        losses.append(loss.detach())
    took = time.perf_counter() - begun
    last = float(torch.stack(losses[-20:]).mean())
    Path(f"{out}.{rank}").write_text(json.dumps({"seconds": took, "loss": last}))
    if how == "ddp":
        torch.distributed.destroy_process_group()


def run(how, policy, kind, batch, pause, steps):
    """Samples a second of all workers together, and their mean loss at the end."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "result")
        job = [str(Path(__file__).resolve()), "--work", how, kind, str(batch), str(pause), str(steps), str(out)]
        if how != "ours":
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(WORKERS), "GLOO_SOCKET_IFNAME": "lo"}
            started = [subprocess.Popen([sys.executable, *job], env={**os.environ, **meeting, "RANK": str(rank)}) for rank in range(WORKERS)]
            if any([process.wait(600) for process in started]):
                sys.exit(f"a process of {how} failed")
        else:
            command = [sys.executable, "-m", "syncline", "run", "--workers", str(WORKERS), "--sync", policy, *job]
            subprocess.run(command, check=True, timeout=600, stdout=subprocess.DEVNULL)
        found = [json.loads(Path(f"{out}.{rank}").read_text()) for rank in range(WORKERS)]
    samples = WORKERS * batch * (steps - FIRST)
    return samples / max(part["seconds"] for part in found), statistics.mean(part["loss"] for part in found)


def main():
    if sys.argv[1:2] == ["--work"]:
        how, kind, batch, pause, steps, out = sys.argv[2:]
        return work(how, kind, int(batch), float(pause), int(steps), out)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    asked = parser.parse_args()
    print("| setting | run by | samples/s | least .. most | beside gloo | synchronisation | loss |\n|---|---|--:|--:|--:|--:|--:|")
    for setting in asked.only:
        found = {name: [] for name in RUNNERS}
        for _ in range(asked.turns):
            for name, (how, policy) in RUNNERS.items():
                found[name].append(run(how, policy, *SETTINGS[setting], asked.steps))
        apart, gloo = (statistics.median(speed for speed, _ in found[name]) for name in ("apart", "gloo"))
        for name, turns in found.items():
            speeds, losses = zip(*turns)
            middle = statistics.median(speeds)
            beside = f"{middle / gloo:.2f} | {1 - middle / apart:.0%}"
            told = f"{middle:.0f} | {min(speeds):.0f} .. {max(speeds):.0f} | {beside} | {statistics.median(losses):.4f}"
            print(f"| {setting} | {name} | {told} |", flush=True)


if __name__ == "__main__":
    main()
