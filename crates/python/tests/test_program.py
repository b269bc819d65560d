"""Programs of nodes and services."""

import subprocess
import sys
import textwrap
import threading
import time

import numpy
import pytest

import syncline


class Store:
    """Keeps what it is told."""

    def __init__(self, *values):
        self.values = list(values)
        self.lock = threading.Lock()

    def add(self, value):
        with self.lock:
            self.values.append(value)
        return len(self.values)

    def all(self):
        return self.values

    def echo(self, *args, **kwargs):
        return args, kwargs

    def fail(self, why):
        raise KeyError(why)

    def _private(self):
        return "secret"


def ask(store, seen, question):
    seen.append(question(store))


def answer(question, *, pickle=False):
    """What one node is answered by a store of 1 and 2."""
    seen = []
    program = syncline.Program("ask", pickle=pickle)
    store = program.service("store", Store, 1, 2)
    program.node("client", ask, store, seen, question)
    program.run()
    return seen[0]


def test_methods_are_called_and_state_is_kept():
    program = syncline.Program("count")
    store = program.service("store", Store)
    program.nodes("worker", 4, lambda store: store.add(syncline.this_node().rank), store)
    seen = []

    def collect(store):
        while len(store.all()) < 4:
            time.sleep(0.01)
        seen.extend(store.all())

    program.node("collector", collect, store)
    program.run()
    assert sorted(seen) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "dtype", ["f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "c8", ">f8", "M8[s]"]
)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3)])
def test_arrays_of_every_kind_travel_as_they_are(dtype, shape):
    array = numpy.arange(int(numpy.prod(shape, dtype=int))).reshape(shape).astype(dtype)
    (back,), _ = answer(lambda store: store.echo(array))
    assert back.dtype == array.dtype and back.shape == array.shape and (back == array).all()
    (sliced,), _ = answer(lambda store: store.echo(array.T[::-1] if shape == (2, 3) else array))
    assert (sliced == (array.T[::-1] if shape == (2, 3) else array)).all()


def test_plain_values_keep_their_types():
    value = {"a": [1, 2.5, None, True, "ü\0"], "b": (1, (2,)), "c": b"\0raw", "d": {}, "e": numpy.float32(0.5)}
    (back,), named = answer(lambda store: store.echo(value, key=[1]))
    assert back == value and type(back["b"]) is tuple and type(back["c"]) is bytes and named == {"key": [1]}


def test_other_values_travel_only_where_it_is_asked_for():
    with pytest.raises(syncline.SynclineError, match="client/0.*cannot travel"):
        answer(lambda store: store.echo({1, 2}))
    assert answer(lambda store: store.echo({1, 2}), pickle=True) == (({1, 2},), {})


def test_what_a_method_raises_is_raised_at_the_caller():
    def wrong(store):
        with pytest.raises(syncline.RemoteError) as raised:
            store.fail("no such key")
        return raised.value

    error = answer(wrong)
    assert error.type_name == "KeyError" and "no such key" in str(error) and "in fail" in error.remote_traceback


def test_only_public_methods_can_be_called():
    for method in ("values", "missing", "__init__"):
        with pytest.raises(syncline.SynclineError, match="no public method"):
            answer(lambda store, method=method: store._call(method))
    with pytest.raises(syncline.SynclineError, match="client/0"):
        answer(lambda store: store._private())


def test_a_node_that_fails_is_named():
    program = syncline.Program("fails")
    program.nodes("worker", 2, lambda: 1 / (1 - syncline.this_node().rank))
    with pytest.raises(syncline.SynclineError, match="worker/1.*ZeroDivisionError"):
        program.run()


def test_futures_go_on_meanwhile():
    def question(store):
        futures = [store.futures.add(number) for number in range(10)]
        return sorted(future.result() for future in futures)

    assert answer(question) == list(range(3, 13))


def test_a_program_is_stopped_from_within():
    program = syncline.Program("wait")
    ended = []

    def waits():
        syncline.this_node().wait_for_stop()
        ended.append(syncline.this_node().name)

    program.nodes("waiting", 2, waits)
    program.node("stopper", lambda: syncline.this_node().stop())
    program.run()
    assert sorted(ended) == ["waiting/0", "waiting/1"]


def test_calls_are_batched():
    sizes = []

    class Roots:
        @syncline.batched(size=4, timeout=0.5)
        def root(self, numbers):
            sizes.append(len(numbers))
            return numpy.sqrt(numbers)

    program = syncline.Program("batching")
    roots = program.service("roots", Roots)
    seen = []
    program.nodes("client", 8, lambda roots: seen.append(roots.root(float(syncline.this_node().rank**2))), roots)
    program.run()
    assert sorted(seen) == [float(rank) for rank in range(8)] and sum(sizes) == 8 and max(sizes) == 4


def test_what_makes_no_sense_is_refused():
    with pytest.raises(syncline.UsageError, match="no node"):
        syncline.this_node()
    program = syncline.Program("once")
    program.node("only", lambda: None)
    with pytest.raises(syncline.UsageError, match="not on `cloud`"):
        program.launch("cloud")
    program.run()
    with pytest.raises(syncline.UsageError, match="launched already"):
        program.run()


SCRIPT = textwrap.dedent(
    """
    import os, sys
    import numpy as np
    import syncline

    class Producer:
        def work(self, size):
            return np.full(size, os.getpid())

    class Consumer:
        def __init__(self, producers):
            self.producers = producers

        def run(self):
            found = [producer.futures.work(3) for producer in self.producers]
            pids = {int(each.result()[0]) for each in found}
            print(len(pids), "producers,", "apart" if os.getpid() not in pids else "together")
            syncline.this_node().stop()

    program = syncline.Program("consumer_producers")
    producers = program.services("producer", 3, Producer)
    program.service("consumer", Consumer, producers)
    program.run(sys.argv[1])
    print("over")
    """
)


@pytest.mark.parametrize("on, said", [("threads", "1 producers, together"), ("processes", "3 producers, apart")])
def test_the_same_program_runs_on_threads_and_processes(tmp_path, on, said):
    script = tmp_path / "consumer_producers.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script, on], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    assert any(said in line for line in lines) and done.stdout.splitlines()[-1] == "over", lines
