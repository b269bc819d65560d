"""The command in the package, interrupts, and types."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import syncline
from conftest import command


def test_the_command_is_installed_with_the_package():
    script = pathlib.Path(sys.executable).parent / "syncline"
    for call in ([str(script)], [sys.executable, "-m", "syncline"]):
        said = subprocess.run([*call, "--version"], capture_output=True, text=True)
        assert (said.returncode, said.stdout) == (0, f"syncline {syncline.__version__}\n")
    assert command("trian").returncode == 2
    assert "nowhere.csv" in command("train", "nowhere.csv").stderr


def test_nodes_of_a_run_may_be_processes(table):
    done = command("train", table, "--label", "kind", "--workers", 2, "--epochs", 2, "--on", "processes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["settings"]["on"].startswith("processes")


def test_runs_are_compared_by_the_command(table):
    done = command("compare", table, "--label", "kind", "--sync", "bsp,asp", "--epochs", 2, "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["runs"]) == 2


def test_ctrl_c_ends_a_long_question_at_once():
    long = "import syncline; print('begins', flush=True); syncline.queue.simulate(system='fork-join', workers=64, arrivals='exp:0.5', service='exp:1', jobs=10**9)"
    # Whoever starts the tests in the background may have Ctrl-C ignored.
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    started = subprocess.Popen([sys.executable, "-c", long], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **heard)
    # An interrupt of an import may be lost in what is imported.
    assert started.stdout.readline() == "begins\n"
    time.sleep(1)
    started.send_signal(signal.SIGINT)
    said = started.communicate(timeout=20)[1]
    assert "KeyboardInterrupt" in said and started.returncode != 0


def test_other_threads_run_during_a_long_question():
    ticks = (
        "import threading, time, syncline\n"
        "ask = threading.Thread(target=lambda: syncline.queue.simulate(system='fork-join', workers=32, arrivals='exp:0.5',"
        " service='exp:1', jobs=3_000_000))\n"
        "ask.start(); ticks = 0\n"
        "while ask.is_alive(): time.sleep(0.01); ticks += 1\n"
        "print(ticks)\n"
    )
    done = subprocess.run([sys.executable, "-c", ticks], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and int(done.stdout) > 10, done


def test_types_are_checked(tmp_path):
    mypy = shutil.which("mypy", path=str(pathlib.Path(sys.executable).parent))
    assert mypy, "mypy is one of the tests' requirements"
    use = tmp_path / "use.py"
    use.write_text(
        "import syncline\n"
        "report = syncline.trace.report('x')\n"
        "share: float = report.sync_points[0].share\n"
        "wrong: int = report.verdict\n"
    )
    environment = {**os.environ, "MYPY_CACHE_DIR": str(tmp_path / "cache")}
    own = subprocess.run([mypy, "--strict", "--ignore-missing-imports", "-p", "syncline"], capture_output=True, text=True, env=environment)
    assert own.returncode == 0, own.stdout
    said = subprocess.run([mypy, "--strict", str(use)], capture_output=True, text=True, env=environment).stdout
    assert "use.py:4" in said and "use.py:3" not in said, said
