"""The example programs, from the repository or beside the tests."""

import os
import pathlib
import subprocess
import sys

import pytest

from conftest import command

EXAMPLES = pathlib.Path(os.environ.get("SYNCLINE_EXAMPLES", pathlib.Path(__file__).parents[3] / "examples" / "python"))

SAID = {
    "hello_world": ["Hello World!"],
    "consumer_producers": ["3 producers made 660"],
    "batching": ["forty roots in batches of up to four"],
    "parameter_server": ["sees [ 1.  -2.   0.5]"],
    "program_wait": ["now all stop", "worker/0 cleans up after some rounds", "worker/1 cleans up", "all have stopped"],
}


@pytest.mark.parametrize("on", ["threads", "processes", "sim"])
@pytest.mark.parametrize("name", SAID)
def test_programs_do_what_they_say(name, on):
    done = subprocess.run([sys.executable, EXAMPLES / f"{name}.py", on], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for line in SAID[name]:
        assert line in done.stdout + done.stderr, done


@pytest.mark.parametrize("on", [[], ["threads"], ["processes"]])
def test_clinics_learn_together(on):
    done = subprocess.run([sys.executable, EXAMPLES / "federated_numpy.py", *on], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "learned [ 1.  -2.   0.5]" in done.stdout, done


def told_right(text):
    return max(float(word[:-1]) for word in text.split() if word.endswith("%"))


def test_a_regression_in_numpy_learns():
    alone = subprocess.run([sys.executable, EXAMPLES / "train_numpy.py"], capture_output=True, text=True, timeout=120)
    assert alone.returncode == 0 and told_right(alone.stdout) > 95, alone
    together = command("run", "--workers", 2, "--servers", 2, EXAMPLES / "train_numpy.py")
    line = next(line for line in (together.stdout + together.stderr).splitlines() if "told right" in line)
    assert together.returncode == 0 and told_right(line) > 95, together


@pytest.mark.torch
def test_a_network_of_pytorch_learns():
    pytest.importorskip("torch")
    done = command("run", "--workers", 2, "--sync", "ssp:2", EXAMPLES / "train_pytorch.py")
    line = next((line for line in (done.stdout + done.stderr).splitlines() if "of all points" in line), "")
    assert done.returncode == 0 and told_right(line) > 95, done
