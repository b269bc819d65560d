"""From PyTorch's DistributedDataParallel: how much of a script changes, and that it comes to the same."""

import difflib
import os
import re
import subprocess
import sys
import textwrap

import pytest

from conftest import command
from test_examples import EXAMPLES

BEFORE, AFTER = EXAMPLES / "train_ddp.py", EXAMPLES / "train_ddp_ported.py"

# As `torchrun` starts it, but the processes meet in a file, and nothing listens beyond this machine.
STARTED = textwrap.dedent(
    """
    import os, runpy, sys
    import torch.distributed

    begin, (script, meeting) = torch.distributed.init_process_group, sys.argv[1:]
    place = {"rank": int(os.environ["RANK"]), "world_size": int(os.environ["WORLD_SIZE"])}
    torch.distributed.init_process_group = lambda backend: begin(backend, init_method=f"file://{meeting}", **place)
    runpy.run_path(script, run_name="__main__")
    """
)


def code_of(path):
    """Its lines without the documentation string and blank ones."""
    return [line for line in path.read_text().split('"""', 2)[2].splitlines() if line.strip()]


def error_in(text):
    return float(re.search(r"mean squared error ([0-9.e-]+)", text)[1])


def test_two_lines_change_and_three_go():
    changes = [line for line in difflib.ndiff(code_of(BEFORE), code_of(AFTER)) if line[0] in "+-"]
    gone = [line[2:].strip() for line in changes if line[0] == "-"]
    come = [line[2:].strip() for line in changes if line[0] == "+"]
    assert [line.split("(")[0] for line in gone] == [
        "from torch.nn.parallel import DistributedDataParallel as DDP",
        "torch.distributed.init_process_group",
        "model = DDP",
        "optimizer = torch.optim.SGD",
        "torch.distributed.destroy_process_group",
    ]
    assert [line.split("(")[0] for line in come] == ["import syncline", "optimizer = syncline.join"]


@pytest.mark.torch
def test_both_come_to_the_same_model(tmp_path):
    pytest.importorskip("torch")
    place = {**os.environ, "WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": "lo"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", STARTED, BEFORE, tmp_path / "meeting"],
            env={**place, "RANK": str(rank)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    said = [process.communicate(timeout=180) for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    theirs = error_in(said[0][0])
    done = command("run", "--workers", 2, AFTER)
    assert done.returncode == 0, done.stderr
    assert error_in(done.stdout + done.stderr) == pytest.approx(theirs, abs=2e-6)
    alone = subprocess.run([sys.executable, AFTER], capture_output=True, text=True, timeout=120)
    assert alone.returncode == 0 and error_in(alone.stdout) < 0.1, alone


@pytest.mark.torch
def test_gradients_that_were_not_stepped_with_are_forgotten():
    torch = pytest.importorskip("torch")
    import syncline

    weights = torch.zeros(3, requires_grad=True)
    worker = syncline.join([weights], steps_per_epoch=1, optimizer="sgd", lr=1.0)
    (5 * weights).sum().backward()
    worker.zero_grad()
    (2 * weights).sum().backward()
    worker.step()
    worker.close()
    assert weights.tolist() == [-2, -2, -2]
