"""Training in a loop of one's own."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time
import types

import numpy
import pytest

import syncline
from conftest import Lender, command

# Rows of y = x w; each worker has its own, and tells the first one's result.
SCRIPT = textwrap.dedent(
    """
    import os, sys
    import numpy as np
    import syncline

    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    draw = np.random.default_rng(5)
    x = draw.normal(size=(640, 4)).astype(np.float32)[rank::world]
    y = x @ np.array([1, -2, 3, 0.5], dtype=np.float32)
    steps = 16
    batches = [(x[i::steps], y[i::steps]) for i in range(steps)]
    weights = {"w": np.zeros(4, dtype=np.float32)}
    print("preparing")
    worker = syncline.join(weights, steps_per_epoch=steps, epochs=10, batch_size=len(batches[0][0]), optimizer="sgd", lr=0.1)
    for rows, targets in worker.batches(batches):
        off = rows @ weights["w"] - targets
        if os.path.exists(sys.argv[1] + ".slow"):
            import time
            time.sleep(0.02)
            if worker.round == 30:
                open(sys.argv[1] + f".reached{rank}", "w").close()
        worker.step({"w": 2 * rows.T @ off / len(rows)}, loss=float(np.mean(off**2)))
    print("worker", worker.rank, "of", worker.workers, "ends in epoch", worker.epoch)
    if worker.rank == 0:
        np.save(sys.argv[1], weights["w"])
    """
)


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def result(path):
    return numpy.load(path)


TRUTH = [1, -2, 3, 0.5]


def test_a_script_alone_is_its_only_worker(script, tmp_path):
    done = subprocess.run([sys.executable, script, tmp_path / "w.npy"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["preparing", "worker 0 of 1 ends in epoch 10"]
    assert numpy.allclose(result(tmp_path / "w.npy"), TRUTH, atol=1e-3)


@pytest.mark.parametrize("sync", ["backup:1", "quorum:2,50ms", "hierarchical:2,2", "local:4", "allreduce", "ssp:2"])
def test_whoever_is_alone_waits_for_nobody(script, tmp_path, sync):
    settings = f"sync={sync!r}, on_worker_loss='restart', replicas=1, "
    script.write_text(SCRIPT.replace("steps_per_epoch=", settings + "steps_per_epoch="))
    done = subprocess.run([sys.executable, script, tmp_path / "w.npy"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert numpy.allclose(result(tmp_path / "w.npy"), TRUTH, atol=1e-3 if sync != "local:4" else 0.1)


@pytest.mark.parametrize("servers, sync", [(1, "bsp"), (2, "bsp"), (1, "ssp:2")])
def test_workers_train_together(script, tmp_path, servers, sync):
    done = command(
        "run", "--workers", 2, "--servers", servers, "--sync", sync, "--trace", tmp_path / "run.parquet", script, tmp_path / "w.npy"
    )
    assert done.returncode == 0, done.stderr
    assert numpy.allclose(result(tmp_path / "w.npy"), TRUTH, atol=1e-3)
    said = done.stdout + done.stderr
    assert said.count("preparing") == 2 and "worker 1 of 2 ends in epoch 10" in said
    report = syncline.trace.report(tmp_path / "run.parquet")
    assert report.system == "syncline" and abs(sum(report.shares.values()) - 1) < 1e-6
    frame = syncline.run_file(tmp_path / "run.parquet").to_pandas()
    computed = frame[frame["phase"] == "compute"]
    assert computed["records"].sum() == 6400 and computed.groupby("node", observed=True).size().tolist() == [160, 160]
    assert len(syncline.predict(tmp_path / "run.parquet", workers="1..3", sync="bsp").predictions) == 3


def test_the_report_is_a_document(script, tmp_path):
    done = command("run", "--workers", 2, "--json", script, tmp_path / "w.npy")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout[done.stdout.index("{") :])
    assert report["schema"] == "syncline.run/1" and report["settings"]["workers"] == 2
    losses = [epoch["train_loss"] for epoch in report["epochs"]]
    assert len(losses) == 10 and losses[-1] < losses[0] / 100


def test_bsp_gives_the_same_bits_again(script, tmp_path):
    for name in ("a.npy", "b.npy"):
        done = command("run", "--workers", 2, script, tmp_path / name)
        assert done.returncode == 0, done.stderr
    assert (result(tmp_path / "a.npy") == result(tmp_path / "b.npy")).all()


def node_of(launcher, name):
    """The process of a node, by its environment."""
    for process in pathlib.Path("/proc").iterdir():
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"SYNCLINE_NODE={name}".encode() in variables and f"SYNCLINE_LAUNCHER={launcher}".encode() in variables:
            return int(process.name)
    return None


@pytest.mark.parametrize(
    "options",
    [
        ["--compress", "push=int8,pull=bf16"],
        ["--compress", "push=topk:0.5"],
        ["--sync", "local:4"],
        ["--sync", "diloco:4"],
        ["--sync", "allreduce"],
        ["--sync", "quorum:2,50ms"],
        ["--sync", "backup:1"],
        ["--sync", "asp"],
    ],
    ids=" ".join,
)
def test_policies_and_codecs_train_the_same_loop(script, tmp_path, options):
    done = command("run", "--workers", 3, "--json", *options, script, tmp_path / "w.npy")
    assert done.returncode == 0, done.stderr
    assert numpy.allclose(result(tmp_path / "w.npy"), TRUTH, atol=0.1)
    report = json.loads(done.stdout[done.stdout.index("{") :])
    name, value = options
    assert report["settings"][name[2:]] == value, report["settings"]


def test_groups_of_workers_step_by_themselves(script, tmp_path):
    done = command("run", "--workers", 4, "--json", "--sync", "hierarchical:2,4", script, tmp_path / "w.npy")
    assert done.returncode == 0, done.stderr
    assert numpy.allclose(result(tmp_path / "w.npy"), TRUTH, atol=0.1)
    assert json.loads(done.stdout[done.stdout.index("{") :])["settings"]["sync"] == "hierarchical:2,4"


def test_a_run_goes_on_from_a_checkpoint(script, tmp_path):
    folder = tmp_path / "checkpoints"
    checkpoints = ["--checkpoint", folder, "--checkpoint-every", "epochs:1", "--keep", 2]
    done = command("run", "--workers", 2, *checkpoints, script, tmp_path / "whole.npy")
    assert done.returncode == 0 and len(list(folder.iterdir())) in (2, 3), (done, list(folder.iterdir()))
    # The newest is of the end of an epoch before the last.
    done = command("run", "--workers", 2, "--resume", folder, script, tmp_path / "again.npy")
    assert done.returncode == 0, done.stderr
    assert (result(tmp_path / "again.npy") == result(tmp_path / "whole.npy")).all()


# As above, but its workers take the rows of whatever share they are told.
DEALT = SCRIPT.replace("[rank::world]", "").replace(
    "steps = 16", "steps = 16\ndef batches_of(share):\n    mine, its = x[share::world], y[share::world]\n"
    "    return [(mine[i::steps], its[i::steps]) for i in range(steps)]"
).replace("batches = [(x[i::steps], y[i::steps]) for i in range(steps)]", "batches = batches_of(0)").replace(
    "worker.batches(batches)", "worker.batches(batches_of)"
).replace("if worker.rank == 0:", "if worker.rank == 0 and worker.finished:")


@pytest.fixture
def dealt(tmp_path):
    path = tmp_path / "dealt.py"
    path.write_text(DEALT)
    return path


def begun(script, result_path, *options, **started):
    """A slow run, of four workers where nothing else is said, once one of them has come to its round 30."""
    (result_path.parent / (result_path.name + ".slow")).touch()
    arguments = ["run", "--workers", "4", *map(str, options), str(script), str(result_path)]
    run = subprocess.Popen(
        [sys.executable, "-m", "syncline", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **started
    )
    deadline = time.monotonic() + 60
    while not (result_path.parent / (result_path.name + ".reached1")).exists():
        assert time.monotonic() < deadline and run.poll() is None, run.communicate()
        time.sleep(0.05)
    return run


def test_workers_join_and_leave_and_change_no_bit(dealt, tmp_path):
    done = command("run", "--workers", 4, dealt, tmp_path / "whole.npy")
    assert done.returncode == 0, done.stderr
    run = begun(dealt, tmp_path / "w.npy", "--elastic", 2)
    assert node_of(run.pid, "worker/2") is None
    for count in (4, 1):
        scaled = command("scale", run.pid, "--workers", count)
        assert scaled.returncode == 0, scaled.stderr
    assert node_of(run.pid, "worker/3") is None and node_of(run.pid, "worker/0") is not None
    said = "".join(run.communicate(timeout=120))
    assert run.returncode == 0, said
    assert (result(tmp_path / "w.npy") == result(tmp_path / "whole.npy")).all()
    assert "worker 0 of 4 ends in epoch 10" in said and "1 of 4 workers are to be there; it was 4" in said


def test_the_work_of_a_killed_worker_is_done_by_another(dealt, tmp_path):
    done = command("run", "--workers", 4, dealt, tmp_path / "whole.npy")
    assert done.returncode == 0, done.stderr
    run = begun(dealt, tmp_path / "w.npy", "--on-worker-loss", "redistribute")
    os.kill(node_of(run.pid, "worker/1"), signal.SIGKILL)
    said = "".join(run.communicate(timeout=120))
    assert run.returncode == 0 and "does the work of worker 1 as well" in said, said
    assert (result(tmp_path / "w.npy") == result(tmp_path / "whole.npy")).all()


def test_nothing_is_lost_with_a_server_that_has_a_standby(script, tmp_path):
    done = command("run", "--workers", 4, script, tmp_path / "whole.npy")
    assert done.returncode == 0, done.stderr
    run = begun(script, tmp_path / "w.npy", "--replicas", 1, "--on-worker-loss", "restart")
    os.kill(node_of(run.pid, "server/0"), signal.SIGKILL)
    said = "".join(run.communicate(timeout=120))
    assert run.returncode == 0 and "server/0" in said, said
    assert (result(tmp_path / "w.npy") == result(tmp_path / "whole.npy")).all(), said


def test_who_does_not_ask_whose_work_it_is_is_told(tmp_path):
    path = tmp_path / "blind.py"
    path.write_text(
        "import numpy, syncline\n"
        "worker = syncline.join(numpy.zeros(2), steps_per_epoch=5)\n"
        "while worker.goes_on: worker.step(numpy.ones(2))\n"
    )
    done = command("run", "--workers", 2, "--elastic", 1, path)
    assert done.returncode == 1 and "has not asked whose" in done.stderr, done


@pytest.mark.parametrize("policy", ["stop", "restart"])
def test_a_killed_worker_follows_the_policy(script, tmp_path, policy):
    (tmp_path / "w.npy.slow").touch()
    started = subprocess.Popen(
        [sys.executable, "-m", "syncline", "run", "--workers", "2", "--on-worker-loss", policy, str(script), str(tmp_path / "w.npy")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "w.npy.reached1").exists():
        assert time.monotonic() < deadline, "the worker did not start"
        time.sleep(0.05)
    os.kill(node_of(started.pid, "worker/1"), signal.SIGKILL)
    said = "".join(started.communicate(timeout=120))
    if policy == "stop":
        assert started.returncode == 1 and "worker/1" in said and "killed" in said.lower(), said
    else:
        assert started.returncode == 0, said
        assert numpy.allclose(result(tmp_path / "w.npy"), TRUTH, atol=1e-3)
        assert said.count("preparing") == 3 and "started again" in said


def test_a_script_that_fails_fails_the_run(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text(
        "import numpy, syncline\n"
        "worker = syncline.join(numpy.zeros(2), steps_per_epoch=5)\n"
        "if worker.rank == 1: raise RuntimeError('no such row')\n"
        "while worker.goes_on: worker.step(numpy.ones(2))\n"
    )
    done = command("run", "--workers", 2, path)
    assert done.returncode == 1 and "worker/1" in done.stderr and "no such row" in done.stdout + done.stderr


def test_what_cannot_work_is_told_at_once(script, tmp_path):
    path = tmp_path / "nothing.py"
    path.write_text("print('nothing')\n")
    done = command("run", "--workers", 2, path)
    assert done.returncode == 1 and "ended without calling syncline.join" in done.stderr
    done = command("run", "--workers", 2, tmp_path / "missing.py")
    assert done.returncode == 2 and "error: there is no script" in done.stderr and "Traceback" not in done.stderr
    done = command("run", "--workers", 2, "--sync", "bps", script, tmp_path / "w.npy")
    assert done.returncode == 2 and "bps" in done.stderr
    for options, says in [
        (["--on-worker-loss", "redistribute"], "give `batches` a function"),
        (["--elastic", 1], "give `batches` a function"),
    ]:
        done = command("run", "--workers", 2, *options, script, tmp_path / "w.npy")
        assert done.returncode == 1 and says in done.stderr, done
    for options, says in [
        (["--elastic", 3], "elastic"),
        (["--elastic", 1, "--sync", "backup:1"], "backup:1"),
        (["--sync", "repetition:1"], "not for scripts"),
        (["--sync", "mds:1"], "rows and model are the script's own"),
        (["--sync", "hogwild"], "threads that share memory"),
        (["--sync", "hierarchical:3,2"], "divisor of the number of workers"),
        (["--replicas", 1], "add --on-worker-loss restart"),
        (["--replicas", 1, "--on-worker-loss", "restart", "--sync", "allreduce"], "there are no servers"),
        (["--lr", "0.1"], "an argument of syncline.join"),
        (["--partition=weight:measured"], "rows and model are the script's own"),
        (["--run-dir", "runs/first"], "name --checkpoint"),
        (["--on", "threads"], "--on threads"),
        (["--on", "ssh"], "ssh:hosts.txt"),
        (["--on", "kubernetes:image=train:1"], "a script has none: use processes"),
        (["--insecure-network"], "several hosts"),
        (["--keep", 2], "--checkpoint FOLDER"),
        (["--compress", "f8"], "f8"),
    ]:
        done = command("run", "--workers", 2, *options, script, tmp_path / "w.npy")
        assert done.returncode == 2 and says in done.stderr, done
    with pytest.raises(syncline.UsageError, match="floating point numbers; this is an array of int64"):
        syncline.join(numpy.zeros(3, dtype="int64"), steps_per_epoch=1)
    with pytest.raises(syncline.UsageError, match="from 1 to"):
        syncline.join(numpy.zeros(3), steps_per_epoch=0)
    with pytest.raises(syncline.UsageError, match="sgd"):
        syncline.join(numpy.zeros(3), steps_per_epoch=1, optimizer="sdg")


def test_a_script_that_is_alone_and_leaves_ends_the_run(tmp_path):
    path = tmp_path / "leaves.py"
    path.write_text(
        "import sys, numpy, syncline\n"
        "weights = numpy.ones(2, dtype='f4')\n"
        "worker = syncline.join(weights, steps_per_epoch=10**6, epochs=1000, optimizer='sgd', lr=0.5)\n"
        "for number in range(3): worker.step(weights)\n"
        "print(weights.tolist(), flush=True)\n"
        "if sys.argv[1] == 'fails': raise RuntimeError('no such row')\n"
        "if sys.argv[1] == 'closes': worker.close(); print(worker.report, worker.goes_on)\n"
    )
    for how, code in [("fails", 1), ("closes", 0), ("ends", 0)]:
        done = subprocess.run([sys.executable, path, how], capture_output=True, text=True, timeout=60)
        assert done.returncode == code and done.stdout.startswith("[0.125, 0.125]"), done
        assert ("no such row" in done.stderr) == (how == "fails") and "loss" not in done.stderr, done
        assert (how == "closes") == ("None False" in done.stdout)


@pytest.mark.torch
def test_a_script_for_torchrun_is_told_what_to_leave_out(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "ddp.py"
    path.write_text("import torch.distributed\ntorch.distributed.init_process_group('gloo')\n")
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
    done = command("run", "--workers", 2, path, env={**os.environ, **meeting})
    assert done.returncode == 1 and "note: `syncline run` needs no process group" in done.stderr, done


def test_arrays_keep_their_kind_and_structure():
    arrays = [numpy.zeros((2, 3)), numpy.zeros(2, dtype="float16")]
    worker = syncline.join(arrays, steps_per_epoch=3, optimizer="sgd", lr=1.0)
    while worker.goes_on:
        worker.step([numpy.ones((2, 3)), numpy.full(2, 2.0)])
    with pytest.raises(syncline.UsageError, match=r"\[0\] has the shape \(6,\), its parameter \(2, 3\)"):
        other = syncline.join(arrays, steps_per_epoch=3)
        other.step([numpy.ones(6), numpy.ones(2)])
    worker.close()
    other.close()
    assert arrays[0].dtype == numpy.float64 and (arrays[0] == -3).all() and (arrays[1] == -6).all()
    assert worker.report.epochs[0].train_loss is None and worker.step([1]) is False


def test_arrays_may_stand_at_any_depth():
    tree = {"layers": [{"w": numpy.zeros((2, 2)), "b": numpy.zeros(2)}, {"w": numpy.zeros(3)}], "scale": numpy.zeros(())}
    worker = syncline.join(tree, steps_per_epoch=2, optimizer="sgd", lr=1.0)
    # In another order: what belongs together is found by name.
    gradients = {"scale": numpy.float64(4.0), "layers": [{"b": numpy.ones(2), "w": numpy.full((2, 2), 2.0)}, {"w": numpy.arange(3)}]}
    while worker.goes_on:
        worker.step(gradients)
    assert worker.model is tree and (tree["layers"][0]["w"] == -4).all() and (tree["layers"][0]["b"] == -2).all()
    assert tree["layers"][1]["w"].tolist() == [0, -2, -4] and tree["scale"] == -8
    worker.close()
    other = syncline.join(tree, steps_per_epoch=1)
    with pytest.raises(syncline.UsageError, match=r"parameters have \['layers'\]\[1\]\['w'\], the gradients have not"):
        other.step({"layers": [gradients["layers"][0], {}], "scale": 1.0})
    other.close()


#: Whether parameters may be tensors that lend their memory.
LENDS_FOR_WRITING = numpy.lib.NumpyVersion(numpy.__version__) >= "2.1.0"


def test_tensors_of_other_libraries_are_parameters_and_gradients_without_numpy():
    weights = numpy.zeros((2, 3))
    if not LENDS_FOR_WRITING:
        with pytest.raises(syncline.UsageError, match="NumPy 2.1 and later"):
            syncline.join({"w": Lender(weights)}, steps_per_epoch=1)
    parameters = {"w": Lender(weights) if LENDS_FOR_WRITING else weights}
    worker = syncline.join(parameters, steps_per_epoch=2, optimizer="sgd", lr=1.0)
    while worker.goes_on:
        worker.step({"w": Lender(numpy.ones((2, 3), dtype="f4"))})
    worker.close()
    assert (weights == -2).all(), "changed where they lie"
    numbers = numpy.zeros(3, dtype="f4")
    numbers.flags.writeable = False
    with pytest.raises(syncline.UsageError, match="for reading only"):
        syncline.join(numbers, steps_per_epoch=1)


def crosses(ones, zeros):
    """Trains on gradients of ones, and says where arrays then are that were zeros."""
    worker = syncline.join({"a": zeros, "b": numpy.zeros(2, dtype="f4")}, steps_per_epoch=3, optimizer="sgd", lr=1.0)
    while worker.goes_on:
        worker.step({"a": ones(4), "b": ones(2)})
    worker.close()
    return zeros.tolist()


@pytest.mark.torch
def test_gradients_of_pytorch_cross_into_arrays():
    torch = pytest.importorskip("torch")
    zeros = torch.zeros(4)
    assert crosses(torch.ones, zeros if LENDS_FOR_WRITING else zeros.numpy()) == [-3] * 4 and zeros.tolist() == [-3] * 4


def test_gradients_of_jax_cross_into_arrays():
    jax = pytest.importorskip("jax")
    assert crosses(jax.numpy.ones, numpy.zeros(4, dtype="f4")) == [-3] * 4


def test_a_pytree_of_jax():
    jax = pytest.importorskip("jax")
    x = jax.random.normal(jax.random.key(1), (64, 4))
    y = x @ jax.numpy.array([1.0, -2.0, 3.0, 0.5]) + 1

    @jax.value_and_grad
    def loss_of(model, x, y):
        return jax.numpy.mean((x @ model["dense"]["kernel"] + model["dense"]["bias"] - y) ** 2)

    start = {"dense": {"kernel": jax.numpy.zeros(4), "bias": jax.numpy.zeros(())}}
    worker = syncline.join(start, steps_per_epoch=50, batch_size=64, optimizer="sgd", lr=0.1)
    own, kept = start, []
    while worker.goes_on:
        loss, gradient = loss_of(worker.model, x, y)
        kept.append((worker.model["dense"]["kernel"], own["dense"]["kernel"]))
        own = jax.tree_util.tree_map(lambda value, slope: value - 0.1 * slope, own, loss_of(own, x, y)[1])
        worker.step(gradient, loss=loss)
    worker.close()
    # Those of earlier steps are what they were.
    assert all(numpy.allclose(mine, theirs, atol=1e-5) for mine, theirs in kept)
    assert isinstance(worker.model["dense"]["bias"], jax.Array) and (start["dense"]["kernel"] == 0).all()
    assert numpy.allclose(worker.model["dense"]["kernel"], own["dense"]["kernel"], atol=1e-5)


def test_a_run_without_finite_loss_ends():
    worker = syncline.join(numpy.zeros(1), steps_per_epoch=10)
    with pytest.raises(syncline.SynclineError, match="loss"):
        while worker.goes_on:
            worker.step(numpy.ones(1), loss=float("nan"))


def test_how_far_a_loop_is_shows_in_a_notebook(monkeypatch):
    lines = []

    class Cell:
        def update(self, told, raw):
            lines.append(told["text/plain"])

    class Shell:
        kernel = None

    ipython, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.get_ipython, ipython.display = Shell, display
    display.display = lambda told, raw, display_id: Cell()
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    for progress in (None, False):
        weights = numpy.zeros(2)
        worker = syncline.join(weights, steps_per_epoch=3, epochs=2)
        for number in worker.batches([0.3, 0.0, 0.0], progress=progress):
            time.sleep(number)
            worker.step(weights, loss=0.25)
        worker.close()
    assert [line.rpartition(",")[0] for line in lines] == [
        "epoch 1 of 2, step 2 of 3, loss 0.25", "epoch 2 of 2, step 2 of 3, loss 0.25", "all of 2 epochs, loss 0.25",
    ]


EPOCHS = SCRIPT.replace("for rows, targets in worker.batches(batches):\n", (
    "for epoch in worker.epochs():\n"
    "  for rows, targets in worker.batches(batches):\n"
)).replace('print("worker"', 'print("after", epoch, "comes", worker.epoch)\nprint("worker"').replace(
    "loss=float(np.mean(off**2)))\n", "loss=float(np.mean(off**2)))\n  print(f'rank {rank} ends epoch {epoch}: {weights[\"w\"][0]:.6f}')\n"
)


def test_a_script_goes_through_epochs(script, tmp_path):
    done = command("run", "--workers", 2, script, tmp_path / "flat.npy")
    assert done.returncode == 0, done.stderr
    script.write_text(EPOCHS)
    done = command("run", "--workers", 2, script, tmp_path / "epochs.npy")
    assert done.returncode == 0, done.stderr
    assert (result(tmp_path / "epochs.npy") == result(tmp_path / "flat.npy")).all()
    said = [line.partition("] ")[2] for line in (done.stdout + done.stderr).splitlines() if "ends epoch" in line]
    # After an epoch all have the same parameters.
    values = [{line.rpartition(" ")[2] for line in said if f"ends epoch {epoch}:" in line} for epoch in range(10)]
    assert len(said) == 20 and all(len(of_epoch) == 1 for of_epoch in values), said


def test_a_killed_worker_goes_on_in_its_epoch(script, tmp_path):
    script.write_text(EPOCHS)
    done = command("run", "--workers", 4, script, tmp_path / "whole.npy")
    assert done.returncode == 0, done.stderr
    run = begun(script, tmp_path / "w.npy", "--on-worker-loss", "restart")
    os.kill(node_of(run.pid, "worker/1"), signal.SIGKILL)
    said = "".join(run.communicate(timeout=120))
    assert run.returncode == 0 and all(f"rank 1 ends epoch {epoch}:" in said for epoch in range(10)), said
    assert (result(tmp_path / "w.npy") == result(tmp_path / "whole.npy")).all()


def test_an_epoch_without_a_step_is_told():
    worker = syncline.join(numpy.zeros(2, dtype="f4"), steps_per_epoch=3, epochs=2)
    with pytest.raises(syncline.UsageError, match="no step was taken in epoch 0"):
        for _ in worker.epochs():
            pass
    worker.close()


def test_a_loader_that_is_too_short_is_told():
    worker = syncline.join(numpy.zeros(2), steps_per_epoch=3)
    with pytest.raises(syncline.UsageError, match="no batch for step 3 of epoch 0"):
        for _ in worker.batches([1, 2]):
            worker.step(numpy.ones(2))
    worker.close()


def test_local_steps_and_averages():
    weights = numpy.zeros(2)
    worker = syncline.join(weights, steps_per_epoch=40, every="batches:4", fold="average", optimizer="sgd", lr=0.1)
    steps = 0
    while worker.goes_on:
        worker.step(2 * (weights - [1, 2]))
        steps += 1
    worker.close()
    assert steps == 40 and numpy.allclose(weights, [1, 2], atol=1e-3)


@pytest.mark.torch
def test_a_module_of_pytorch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    x = torch.randn(64, 4)
    y = x[:, :1] * 2 - x[:, 1:2]
    twin = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    twin.load_state_dict(model.state_dict())
    own = torch.optim.SGD(twin.parameters(), lr=0.05)
    worker = syncline.join(model, steps_per_epoch=50, batch_size=64, optimizer="sgd", lr=0.05)
    for _ in range(50):
        losses = []
        for each in (model, twin):
            loss = torch.nn.functional.mse_loss(each(x), y)
            losses.append(loss)
            loss.backward()
        worker.step(loss=losses[0])
        own.step()
        own.zero_grad()
    worker.close()
    for mine, theirs in zip(model.parameters(), twin.parameters()):
        assert torch.allclose(mine, theirs, atol=1e-5)
