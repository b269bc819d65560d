"""What the example programs that Launchpad publishes do, done here: who is asked, what is told, and how it all ends."""

import subprocess
import sys
import textwrap

import pytest

PROGRAMS = {
    # A class with nothing but a `run`.
    "hello_world": (
        """
        class HelloWorld:
            def run(self):
                print("Hello World!!!")

        program = syncline.Program("hello_world")
        program.service("hello_printer", HelloWorld)
        program.run(on)
        """,
        ["Hello World!!!"],
    ),
    # The consumer asks all at once, is a service itself, whose steps others may ask for, and stops the producers, which serve on.
    "consumer_producers": (
        """
        class Producer:
            def work(self, context: int):
                return context

        class Consumer:
            def __init__(self, producers):
                self._producers = producers

            def run(self):
                for _ in range(10):
                    self.step()
                syncline.this_node().stop()

            def step(self):
                futures = [producer.futures.work(context) for context, producer in enumerate(self._producers)]
                print("Results:", [future.result() for future in futures])

        program = syncline.Program("consumer_producers")
        producers = program.services("producer", 2, Producer)
        program.service("consumer", Consumer, producers=producers)
        program.run(on)
        """,
        ["Results: [0, 1]"] * 10,
    ),
    # The size of a batch is told to the constructor; the clients' lists come stacked, and the answers are rows of an array.
    "batching": (
        """
        class Client:
            def __init__(self, client_id, server):
                self._client_id, self._server = client_id, server

            def run(self):
                for x in range(self._client_id, self._client_id + 10):
                    result = self._server.compute([x, x + 1])
                    assert result.shape == (2,)
                if self._server.done() == 2:
                    print("Result:", self._server.sum())
                    syncline.this_node().stop()
                syncline.this_node().wait_for_stop()

        class Server:
            def __init__(self, batch_size):
                self._sum, self._done, self._lock = np.zeros(2, dtype=int), 0, threading.Lock()
                self.compute = syncline.batched(size=batch_size, timeout=0.2)(self.compute)

            def compute(self, values):
                self._sum += np.sum(values, axis=0)
                return np.tile(self._sum, (len(values), 1))

            def done(self):
                with self._lock:
                    self._done += 1
                    return self._done

            def sum(self):
                return self._sum

        program = syncline.Program("batching")
        server = program.service("server", Server, 2)
        for client_id in range(2):
            program.service(f"client-{client_id}", Client, client_id, server)
        program.run(on)
        """,
        ["Result: [100 120]"],
    ),
    # Nodes hear of the stop in each way there is, and have the time to clean up; who launched them waits for that.
    "program_wait": (
        """
        def cleaned(who):
            time.sleep(0.5)
            # In one piece: others write as well.
            sys.stdout.write(f"Clean termination of {who}\\n")

        def sleeps():
            while not syncline.this_node().stopped_within(0.1):
                pass
            cleaned("sleeps")

        def waits():
            syncline.this_node().wait_for_stop()
            cleaned("waits")

        def has_an_event():
            event = threading.Event()
            syncline.this_node().on_stop(event.set)
            event.wait()
            cleaned("has_an_event")

        def stops():
            syncline.this_node().sleep(0.5)
            syncline.this_node().stop()

        program = syncline.Program("program_wait")
        for function in (sleeps, waits, has_an_event)[: 2 if on == "sim" else 3]:
            program.node(function.__name__, function)
        program.node("stops", stops)
        program.launch(on).wait()
        print("Program finished.")
        """,
        ["Clean termination of has_an_event", "Clean termination of sleeps", "Clean termination of waits", "Program finished."],
    ),
}


@pytest.mark.parametrize("on", ["threads", "processes", "sim"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_launchpads_examples(tmp_path, name, on):
    text, said = PROGRAMS[name]
    script = tmp_path / f"{name}.py"
    script.write_text("import sys, threading, time\nimport numpy as np\nimport syncline\non = sys.argv[1]\n" + textwrap.dedent(text))
    done = subprocess.run([sys.executable, script, on], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = [line.partition("] ")[2] if line.startswith("[") else line for line in (done.stdout + done.stderr).splitlines()]
    told = sorted(line for line in lines if line.startswith(("Hello", "Result", "Clean", "Program finished")))
    assert told == [line for line in said if on != "sim" or "has_an_event" not in line], done
    if name == "program_wait":
        # At the end, and not before all others.
        assert done.stdout.splitlines()[-1] == "Program finished."


def test_a_handler_has_no_thread_in_virtual_time(tmp_path):
    script = tmp_path / "handler.py"
    script.write_text(
        "import syncline\n"
        "program = syncline.Program('handler')\n"
        "program.node('only', lambda: syncline.this_node().on_stop(print))\n"
        "program.run('sim')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "in virtual time a node has one thread" in done.stderr, done
