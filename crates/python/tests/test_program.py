"""Programs of nodes and services."""

import subprocess
import sys
import textwrap
import threading
import time

import numpy
import pytest

import syncline
from conftest import Lender


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

    def set_of(self, value):
        return {value}

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


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "ü\0"], "b": (1, (2,)), "c": b"\0raw", "d": {}, "e": numpy.float32(0.5), "f": ()},
        [0, -1, 127, 128, -32, -33, 255, 256, 65536, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**64, -(2**64), 2**400],
        [float("inf"), -float("inf"), -0.0, 5e-324, 1.5 + 2j, complex("inf")],
        {1: 2, None: 3, (1, "x"): None, 1.5: "y", b"key": [], False: 0},
        ["", "x" * 31, "x" * 32, "x" * 300, "x" * 70_000, "\udcff of a file's name"],
        [b"", b"x" * 300, b"x" * 4096, b"x" * 4097, b"x" * 1_000_000],
        [list(range(15)), list(range(16)), list(range(70_000)), {number: str(number) for number in range(70_000)}],
        [numpy.int8(-3), numpy.bool_(True), numpy.longdouble(1) / 3, numpy.datetime64("2026-11-30"), numpy.str_("x"), numpy.complex64(1j)],
    ],
    ids=["mixed", "integers", "floats", "keys", "texts", "bytes", "long", "numpy"],
)
def test_plain_values_keep_their_types(value):
    def kinds(value):
        if type(value) in (list, tuple):
            return type(value), [kinds(item) for item in value]
        return type(value), list(map(kinds, (*value.keys(), *value.values()))) if type(value) is dict else ()

    (back,), named = answer(lambda store: store.echo(value, key=value))
    assert back == value == named["key"] and kinds(back) == kinds(value)


def test_what_is_no_number_arrives_as_such():
    (back, zero), _ = answer(lambda store: store.echo(float("nan"), -0.0))
    assert back != back and str(zero) == "-0.0"


def test_arrays_stand_anywhere_and_may_have_fields():
    table = numpy.array([(1, [2.5, 3]), (2, [4, 5])], dtype=numpy.dtype([("id", "i4"), ("at", "f8", 2)], align=True))
    given = {"layers": [{"w": numpy.eye(3), "b": (numpy.zeros(0), None)}], "table": table, "one": table[1]}
    (back,), _ = answer(lambda store: store.echo(given))
    assert (back["layers"][0]["w"] == numpy.eye(3)).all() and back["layers"][0]["b"][0].shape == (0,)
    assert back["table"].dtype == table.dtype and (back["table"] == table).all() and back["one"] == table[1]
    kinds = pytest.importorskip("ml_dtypes")
    (back,), _ = answer(lambda store: store.echo(numpy.arange(3).astype(kinds.bfloat16)))
    assert back.dtype == kinds.bfloat16 and back.tolist() == [0, 1, 2]


def test_other_values_travel_only_where_it_is_asked_for():
    with pytest.raises(syncline.SynclineError, match="client/0.*cannot travel"):
        answer(lambda store: store.echo({1, 2}))
    assert answer(lambda store: store.echo({1, 2}), pickle=True) == (({1, 2},), {})
    refers = numpy.array([{}, None])
    (back,), _ = answer(lambda store: store.echo(refers), pickle=True)
    assert back.tolist() == [{}, None]


def nested(depth):
    """So many lists and tuples in one another."""
    found = 1
    for level in range(depth):
        found = [found] if level % 2 else (found,)
    return found


def test_values_may_be_nested_up_to_a_limit():
    for depth in (1, 100, 190):
        assert answer(lambda store: store.echo(nested(depth), key=nested(depth))) == ((nested(depth),), {"key": nested(depth)})
    with pytest.raises(syncline.SynclineError, match="more than 200 deep"):
        answer(lambda store: store.echo(nested(200)))


def endless():
    """A list that holds itself."""
    found = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    "question, says",
    [
        (lambda store: store.echo(1, {1}), "argument 2 of `echo`: a value of the type set cannot travel"),
        (lambda store: store.echo(config={"a": [0, {"b": object()}]}), r"argument `config` of `echo`, at \['a'\]\[1\]\['b'\]: .* object cannot"),
        (lambda store: store.echo({(1, frozenset()): 2}), r"at \(a key, .*\)\[1\]: a value of the type frozenset"),
        (lambda store: store.echo(numpy.array([{}])), "an array of the type object cannot travel"),
        (lambda store: store.echo(numpy.ma.array([1, 2], mask=[0, 1])), "a masked array cannot travel"),
        (lambda store: store.echo(endless()), r"at \[0\]\[0\].*\.\.: lists and dictionaries stand in one another more than 200 deep"),
        (lambda store: store.set_of(1), "UsageError: the answer of `set_of`: a value of the type set"),
        (lambda store: store.futures.echo({1}).result(), "argument 1 of `echo`"),
    ],
    ids=["position", "name", "key", "objects", "masked", "endless", "answer", "future"],
)
@pytest.mark.parametrize("on", ["threads", "sim"])
def test_what_cannot_travel_is_named(question, says, on):
    program = syncline.Program("wrong")
    program.node("client", ask, program.service("store", Store), [], question)
    with pytest.raises(syncline.SynclineError, match=says):
        program.run(on)


def test_nothing_is_unpickled_that_the_service_has_not_asked_for(tmp_path):
    script = tmp_path / "pickles.py"
    script.write_text(
        "import os, syncline\n"
        "class Echo:\n"
        "    def echo(self, value): return value\n"
        "def client(echo): echo.echo({1})\n"
        "program = syncline.Program('pickles', pickle=os.environ.get('SYNCLINE_NODE') == 'client/0')\n"
        "program.node('client', client, program.service('echo', Echo))\n"
        "program.run('processes')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "RemoteError: UsageError: the message holds a pickled value" in done.stderr, done


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


def roots_in_batches():
    """A service of square roots, and the sizes of the batches that it was given."""
    sizes = []

    class Roots:
        @syncline.batched(size=4, timeout=0.5)
        def root(self, numbers):
            sizes.append(len(numbers))
            return numpy.sqrt(numbers)

    return Roots, sizes


def test_calls_are_batched():
    Roots, sizes = roots_in_batches()
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
    with pytest.raises(syncline.UsageError, match="`cloud`"):
        program.launch("cloud")
    with pytest.raises(syncline.UsageError, match="virtual time"):
        program.launch("threads", seed=3)
    with pytest.raises(syncline.UsageError, match="no network"):
        program.launch("sim", network="fast")
    program.run()
    with pytest.raises(syncline.UsageError, match="launched already"):
        program.run()


class Queue:
    """Hands out what it was given; each call takes half a second."""

    def __init__(self, seen):
        self.seen = seen

    def put(self, value, who):
        node = syncline.this_node()
        node.sleep(0.5)
        self.seen.append((who, value, round(node.now(), 6)))
        return value


def simulated(seed, network=None):
    """What a queue has seen of three nodes that call it in virtual time, and for how long the last of them took."""
    seen = []
    program = syncline.Program("simulated")
    queue = program.service("queue", Queue, seen)

    def work(queue):
        node = syncline.this_node()
        for number in range(3):
            node.sleep(1 + node.rank)
            assert queue.put(number, node.name) == number
        futures = [queue.futures.put(number, node.name) for number in (10, 11)]
        assert [future.result() for future in futures] == [10, 11] and all(future.done() for future in futures)

    program.nodes("worker", 3, work, queue)
    begun = time.monotonic()
    program.run("sim", seed=seed, network=network)
    return seen, time.monotonic() - begun


def test_virtual_time_passes_without_waiting_and_the_same_seed_gives_the_same_run():
    seen, took = simulated(3, "1Gbit/1ms")
    assert took < 5 and len(seen) == 15
    assert seen == simulated(3, "1Gbit/1ms")[0]
    # 1 s, a call to the queue and half a second there.
    assert seen[0][:2] == ("worker/0", 0) and 1.5 < seen[0][2] < 1.51
    # Three times 3 s and a call with its answer; then two calls at once.
    last = [moment for who, _, moment in seen if who == "worker/2"][-1]
    assert 11 < last < 11.03
    orders = {tuple(value for _, value, _ in simulated(seed)[0]) for seed in range(1, 6)}
    assert len(orders) > 1, "the seed decides among what happens at the same time"


def test_messages_take_their_time_on_a_modelled_network():
    took = []

    def ask(store):
        node, array = syncline.this_node(), numpy.zeros(1_250_000, dtype="u1")
        begun = node.now()
        store.echo(array)
        took.append(node.now() - begun)

    program = syncline.Program("slow")
    program.node("client", ask, program.service("store", Store))
    program.run("sim", network="100Mbit/10ms")
    # 10 Mbit there and back, and two latencies.
    assert 0.22 <= took[0] < 0.23, took


class Friend:
    """Asks another one before it answers anybody."""

    def __init__(self, others):
        self.said = [other.hello() for other in others]

    def hello(self):
        return "hello"


def test_a_deadlock_in_virtual_time_is_told_at_once():
    program, others = syncline.Program("stuck"), []
    first = program.service("first", Friend, others)
    others.append(program.service("second", Friend, [first]))
    program.node("client", lambda friend: friend.hello(), first)
    with pytest.raises(syncline.SynclineError, match="circle of waits: first/0 waits for second/0 .*; second/0 waits for first/0"):
        program.run("sim")


def test_calls_are_batched_in_virtual_time():
    Roots, sizes = roots_in_batches()
    program = syncline.Program("batching")
    roots = program.service("roots", Roots)
    program.nodes("client", 8, lambda roots: roots.root(4.0), roots)
    program.run("sim")
    assert sizes == [4, 4]


def test_only_the_threads_of_bodies_wait_in_virtual_time():
    program = syncline.Program("threads")
    told = []

    def work(store):
        def aside():
            try:
                store.all()
            except syncline.UsageError as error:
                told.append(str(error))

        thread = threading.Thread(target=aside)
        thread.start()
        thread.join()

    program.node("client", work, program.service("store", Store))
    program.run("sim")
    assert "futures" in told[0]


@pytest.mark.torch
def test_tensors_of_other_libraries_travel_as_arrays():
    array = numpy.arange(6, dtype="i4").reshape(2, 3)
    (back,), _ = answer(lambda store: store.echo(Lender(array)))
    assert isinstance(back, numpy.ndarray) and (back == array).all() and back.dtype == array.dtype
    torch = pytest.importorskip("torch")
    (back,), _ = answer(lambda store: store.echo(torch.arange(3.0, requires_grad=True)))
    assert back.tolist() == [0, 1, 2]
    with pytest.raises(syncline.SynclineError, match="bring it to the CPU"):
        answer(lambda store: store.echo(torch.zeros(3, dtype=torch.bfloat16)))


@pytest.mark.parametrize("on", ["threads", "sim"])
def test_large_arrays_are_whole_may_be_changed_and_are_nobody_elses(on):
    def question(store):
        array = numpy.arange(300_000, dtype="f8")
        store.add(array)
        array += 1
        (first,), _ = store.echo(array)
        first += 1
        (second,), _ = store.echo(array)
        kept = store.all()[2]
        kept[:10] = -1
        return array[-1], first[-1], second[-1], kept[-1], store.all()[2][0], [len(first), first.flags.aligned]

    seen = []
    program = syncline.Program("large")
    program.node("client", ask, program.service("store", Store, 1, 2), seen, question)
    program.run(on)
    assert seen == [(300_000, 300_001, 300_000, 299_999, 0, [300_000, True])]


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


@pytest.mark.parametrize(
    "on, said", [("threads", "1 producers, together"), ("sim", "1 producers, together"), ("processes", "3 producers, apart")]
)
def test_the_same_program_runs_on_threads_processes_and_in_virtual_time(tmp_path, on, said):
    script = tmp_path / "consumer_producers.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script, on], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    assert any(said in line for line in lines) and done.stdout.splitlines()[-1] == "over", lines
