"""``syncline run``: a script as the workers of a training run.

The script is started once for every node, with the same arguments. In each process it comes to :func:`syncline.join`, and does there
what that node does: the launcher sees to the run, servers serve, and only in workers the script goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import signal
import sys
import traceback
from typing import Any, NoReturn, Optional

from . import _native
from ._errors import SynclineError, UsageError
from ._told import Told


class Launched:
    """This process's place in a run that ``syncline run`` started."""

    def __init__(self, node: Optional[str], options: dict[str, Any], as_json: bool) -> None:
        self.place = node or "launcher"
        self.options = options
        self._as_json = as_json
        self.joined = False
        self._stdout = sys.stdout

    @property
    def is_worker(self) -> bool:
        return self.place.startswith("worker/")

    @property
    def rank(self) -> int:
        """Of a worker; the others prepare as the first worker does."""
        return int(self.place.partition("/")[2]) if self.is_worker else 0

    def prepares(self) -> None:
        """Before the script begins: what it prints before it joins is said by workers only."""
        os.environ.update(self._variables())
        # Libraries would each take all cores, as many times as there are workers. They look at it when they are loaded.
        cores = len(os.sched_getaffinity(0)) // int(os.environ["LOCAL_WORLD_SIZE"])
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores)))
        if self.is_worker:
            # What a killed worker has said is not to be lost with it.
            for stream in (sys.stdout, sys.stderr):
                stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        else:
            sys.stdout = open(os.devnull, "w")
            # It has no part in a group of PyTorch's, where the workers would wait for it and it for them.
            os.environ.pop("MASTER_ADDR", None)

    def _variables(self) -> dict[str, str]:
        """What ``torchrun`` puts into the environment of a worker. Launcher and servers prepare as the first worker does; on hosts each
        of them is as if it were alone there."""
        local = {"LOCAL_RANK": str(self.rank), "LOCAL_WORLD_SIZE": str(self.options["workers"])}
        if self.options["on"] not in ("processes", "tmux"):
            told = os.environ if self.is_worker else {}
            local = {"LOCAL_RANK": told.get("SYNCLINE_LOCAL_RANK", "0"), "LOCAL_WORLD_SIZE": told.get("SYNCLINE_LOCAL_SIZE", "1")}
        return {"RANK": str(self.rank), "WORLD_SIZE": str(self.options["workers"]), **local}

    def begins(self) -> None:
        """The script joins."""
        self.joined = True
        if not self.is_worker:
            sys.stdout = self._stdout

    def over(self, told: Told) -> NoReturn:
        """The run is over, in the launcher: tells of it, and ends the process."""
        if self._as_json:
            print(json.dumps({"schema": "syncline.run/1", **told.report.to_dict()}, indent=2))
        else:
            print(told.text.rstrip())
        if told.trace_error:
            print(f"warning: the trace is incomplete: {told.trace_error}", file=sys.stderr)
        if told.checkpoint and not self._as_json:
            print(f"note: the last checkpoint is {told.checkpoint}", file=sys.stderr)
        leave(told.interrupted or 0)


#: Where ``syncline run`` started this process; nothing in a script that was started alone.
launched: Optional[Launched] = None


def leave(code: int) -> NoReturn:
    """Ends the process as a script's end would, with what it still had to say."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main(arguments: list[str]) -> NoReturn:
    """Runs the command with what stands after ``run``."""
    global launched
    # Before anything else: a node's process lives no longer than its launcher.
    node = _native.enrol()
    given = parser().parse_args(arguments)
    _native.started_by(sys.executable, ["-m", "syncline"], ["run", *arguments])
    options = {name: value for name, value in vars(given).items() if name not in ("script", "arguments", "json")}
    launched = Launched(node, options, given.json)
    launched.prepares()
    if node is None:
        # The run attends to interrupts by itself.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = script(given.script, given.arguments)
    if not launched.joined and code == 0:
        print(f"error: {given.script} ended without calling syncline.join", file=sys.stderr)
        code = 1
    if code == 0 and launched.is_worker:
        ends()
    leave(code)


def script(name: str, arguments: list[str]) -> int:
    """Runs a script as the main program; gives the code with which it ended."""
    if not os.path.exists(name):
        print(f"error: there is no script {name} in {os.getcwd()}", file=sys.stderr)
        return 2
    sys.argv = [name, *arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(name))
    try:
        runpy.run_path(name, run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print(interrupt, file=sys.stderr)
        return 130
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except SynclineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BaseException as error:
        traceback.print_exc()
        if any(word in str(error) for word in ("MASTER_ADDR", "process group")):
            print(NO_PROCESS_GROUP, file=sys.stderr)
        return 1
    return 0


#: What a script is told that was written for ``torchrun``.
NO_PROCESS_GROUP = (
    "note: `syncline run` needs no process group: leave out init_process_group and DistributedDataParallel, and say to DistributedSampler"
    " num_replicas=int(os.environ['WORLD_SIZE']) and rank=int(os.environ['RANK'])"
)


def ends() -> None:
    """A worker's script is at its end: what it has left is seen to, and the node ends with the run, and the process with it."""
    import atexit

    from . import _join

    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if _join._joined is not None:
        _join._joined.close()


#: Options of ``syncline train`` that are none here, by the reason.
ELSEWHERE = {
    "the script says it: it is an argument of syncline.join": (
        "optimizer lr schedule momentum eps clip l1 l2 epochs every fold seed"
    ),
    "the script says it, as betas=(0.9, 0.999) to syncline.join": "beta1 beta2",
    "the script's loader has batches of its own size: tell it as batch_size= to syncline.join": "batch",
    "rows and model are the script's own, and so are what it holds out, when it stops, and where it saves its model": (
        "label task columns drop category weight missing na decimal zero-based header delimiter no-standardize validation partition"
        " model dropout class-weight no-shuffle patience save"
    ),
    "a script's workers are processes, for which time is not virtual; `predict` tells from a --trace what another run would take": (
        "network compute fault"
    ),
    "a script has no folder of its run: name --checkpoint, --trace and --resume apart, and leave it to itself by nohup or sbatch": (
        "run-dir go-on detach dry-run"
    ),
}


class _Elsewhere(argparse.Action):
    """An option of ``syncline train`` that is none here: the reason is told."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        parser.error(f"{self.option_strings[0]} is not an option of `syncline run`: {self.const}")


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    found = argparse.ArgumentParser(
        prog="syncline run",
        description="Train by a script's own loop, with workers that each run the script and servers between them.",
        epilog="Example: syncline run --workers 4 --sync ssp:2 --trace run.parquet train.py --data set.npz",
        allow_abbrev=False,
    )
    add = found.add_argument
    add(
        "--on", default="processes", metavar="WHERE",
        help="where the processes run: processes (of this machine), tmux (the same, each with a window), ssh:FILE (hosts that ssh reaches,"
        " with this Python and package at the same path), or slurm [processes]",
    )  # fmt: skip
    add("--insecure-network", action="store_true", help="let everything pass between hosts unencrypted")
    add("--workers", type=int, default=1, metavar="N", help="how many processes run the script's loop [1]")
    add(
        "--elastic", type=int, metavar="N",
        help="workers come and go: so many are there at the start, --workers at most, and `syncline scale` has others join or leave",
    )  # fmt: skip
    add("--servers", type=int, default=1, metavar="N", help="how many processes share the parameters [1]")
    add("--sync", metavar="POLICY", help="when workers wait, in place of what the script says: bsp, asp, ssp:2, backup:1 ...")
    add("--compress", metavar="CODECS", help="shorter messages: bf16, f16, or push=int8, push=topk:0.01 and the like, pull=bf16 ...")
    add("--trace", metavar="FILE", help="write what happened, for `syncline trace report` and `syncline predict`")
    add("--inject", action="append", metavar="DELAY", help="slow workers or rounds, such as worker=2:3x; may be repeated")
    add("--checkpoint", metavar="FOLDER", help="write checkpoints into this folder")
    add("--checkpoint-every", metavar="HOW-OFTEN", help="rounds:N, epochs:N or seconds:S [seconds:60]")
    add("--keep", type=int, metavar="N", help="how many checkpoints are kept")
    add("--resume", metavar="FOLDER", help="go on from the newest whole checkpoint in this folder")
    add(
        "--on-worker-loss", metavar="POLICY",
        help="when a worker is lost: stop, restart (it goes on at the round where it was), or redistribute (another does its work as well)"
        " [stop]",
    )  # fmt: skip
    add(
        "--replicas", type=int, metavar="COUNT",
        help="standbys of each server, 0 or 1: nothing is lost with a server, and each gradient travels twice; with --on-worker-loss"
        " restart or redistribute [0]",
    )  # fmt: skip
    add("--silence", metavar="TIME", help="count a process as lost that gives no sign of life for so long")
    add("--json", action="store_true", help="print the report as JSON")
    for reason, names in ELSEWHERE.items():
        for name in names.split():
            add(f"--{name}", action=_Elsewhere, nargs="?", help=argparse.SUPPRESS, dest=argparse.SUPPRESS, const=reason)
    add("script", help="the script, which calls syncline.join")
    add("arguments", nargs=argparse.REMAINDER, help="the script's own arguments")
    return found
