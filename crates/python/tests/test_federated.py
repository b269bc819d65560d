"""Federated learning with clients of Python."""

import json
import subprocess
import sys
import textwrap

import numpy
import pytest

import syncline
from syncline import federated


class Rows(federated.Client):
    """A client with rows of its own along a common line, who makes some steps of least squares."""

    def __init__(self, number):
        draw = numpy.random.default_rng(number)
        self.x = draw.normal(size=(20 + 5 * number, 3))
        self.y = self.x @ [1.0, -2.0, 0.5] + 3.0
        self.fits = 0

    def loss(self, parameters):
        return float(((self.x @ parameters["w"] + parameters["b"] - self.y) ** 2).mean())

    def fit(self, parameters, config):
        self.fits += 1
        start = self.loss(parameters)
        for _ in range(5):
            wrong = self.x @ parameters["w"] + parameters["b"] - self.y
            parameters["w"] -= 0.1 * self.x.T @ wrong / len(wrong)
            parameters["b"] -= 0.1 * wrong.mean()
        return parameters, len(self.y), {"loss": start}

    def evaluate(self, parameters, config):
        return self.loss(parameters), len(self.y), {}


def zeros():
    return {"w": numpy.zeros(3), "b": numpy.zeros((), dtype="f4")}


def trained(**options):
    return federated.run(Rows, zeros(), **{"clients": 4, "rounds": 15, **options})


def test_clients_of_arrays_learn_and_the_report_tells_of_them():
    told = []
    done = trained(on_round=told.append, quorum=3, speeds="uniform:1..5", step_time="2s")
    assert done.parameters["w"].dtype == "f8" and done.parameters["b"].shape == ()
    assert numpy.allclose(done.parameters["w"], [1, -2, 0.5], atol=0.05), done.parameters
    losses = [each.loss for each in told]
    assert len(losses) == 15 and losses[-1] < 0.01 * losses[0] and told[0].client_loss > 1
    report = done.report
    assert report.totals.counted == 45 and report.totals.late > 0 and report.totals.duration_s > 30
    assert report.fairness.measure == "loss" and report.each_client[3].loss < 0.1
    # Three numbers and one, at 4 bytes, to four clients.
    assert report.totals.down_bytes >= 15 * 3 * 4 * 4
    assert "Who waited for whom" in str(done)


def test_virtual_time_gives_the_same_bits_again_and_strategies_are_ours():
    for options in ({}, {"strategy": "adam"}, {"fold": "median"}, {"strategy": "fedbuff", "buffer": 2}, {"strategy": "prox", "mu": 0.3}):
        first, second = trained(**options), trained(**options)
        assert (first.parameters["w"] == second.parameters["w"]).all() and first.report == second.report, options


@pytest.mark.parametrize("options", [{}, {"secure_sum": "all", "examples": [20, 25, 30, 35]}, {"compress": "topk:0.5"}])
def test_on_threads_the_model_is_that_of_virtual_time_to_the_bit(options):
    simulated, threads = trained(**options), trained(on="threads", nodes=4, **options)
    assert (simulated.parameters["w"] == threads.parameters["w"]).all()
    assert simulated.report.totals.counted == threads.report.totals.counted == 60
    assert [each.loss for each in threads.report.each_client] == [each.loss for each in simulated.report.each_client]


def test_the_weight_is_what_a_client_says_and_mu_comes_with_the_work():
    seen = []

    class Says:
        def __init__(self, number):
            self.number = number

        def fit(self, parameters, config):
            seen.append(config)
            return parameters + self.number, 1 + 2 * self.number, {}

    done = federated.run(Says, numpy.zeros(2, dtype="f4"), clients=2, rounds=1, strategy="prox", mu=0.25)
    assert done.parameters.tolist() == [0.75, 0.75] and done.parameters.dtype == "f4"
    assert seen[0] == {"server_round": 1, "proximal_mu": 0.25}
    # Nobody evaluates.
    assert done.report.rounds[0].loss is None and done.report.fairness is None


def test_the_server_may_evaluate():
    done = trained(rounds=6, evaluate=lambda turn, parameters: (10.0 / turn, {"accuracy": turn / 10}), target_loss=2.5)
    assert [each.loss for each in done.report.rounds] == [10, 5, 10 / 3, 2.5] and done.report.rounds[3].accuracy == 0.4
    assert "target" in done.report.ended_early


class Fails:
    """Is wrong in a way of its own for each number."""

    def __init__(self, number):
        self.number = number

    def fit(self, parameters, config):
        if self.number == 1:
            raise ZeroDivisionError("no rows")
        return parameters, 1, {}


def answers(value):
    class Answers:
        def __init__(self, number):
            pass

        def fit(self, parameters, config):
            return value(parameters)

    return Answers


@pytest.mark.parametrize("on", [None, "threads"])
def test_a_client_that_fails_ends_the_run_and_is_named(on, capfd):
    with pytest.raises(syncline.SynclineError, match="client 1 failed: ZeroDivisionError: no rows"):
        federated.run(Fails, numpy.zeros(2), clients=3, rounds=2, on=on)
    assert "in fit" in capfd.readouterr().err


@pytest.mark.parametrize(
    "value, said",
    [
        (lambda parameters: parameters, "`fit` is to give parameters, the number of examples and a dictionary, and gave ndarray"),
        (lambda parameters: (parameters[:1], 1, {}), r"the shape \(1,\), and was given \(2,\)"),
        (lambda parameters: ([parameters], 1, {}), "`fit` has not given back a single array"),
        (lambda parameters: (parameters, 0, {}), "0 examples: give a number above 0"),
    ],
)
def test_what_a_client_gives_is_looked_at(value, said):
    with pytest.raises(syncline.SynclineError, match=said):
        federated.run(answers(value), numpy.zeros(2), clients=2, rounds=2)


def test_what_is_no_number_reaches_no_sum():
    class Poison(Rows):
        def fit(self, parameters, config):
            parameters, count, told = super().fit(parameters, config)
            return ({**parameters, "b": parameters["b"] * numpy.nan} if len(self.y) == 20 else parameters), count, told

    for options in ({}, {"on": "threads"}, {"on": "threads", "secure_sum": "all", "examples": [20, 25, 30, 35]}):
        done = federated.run(Poison, zeros(), clients=4, rounds=3, **options)
        assert done.report.totals.bad == 3 and done.report.totals.counted == 9, options
        assert numpy.isfinite(done.parameters["b"])


def test_what_makes_no_sense_is_refused():
    for options, said in [
        ({"strategy": "scaffold"}, "take another strategy"),
        ({"select": "samples:2"}, "how many each has"),
        ({"secure_sum": "all"}, "how many each has"),
        ({"examples": [1]}, "1 numbers of examples for 4 clients"),
        ({"quorum": 9}, "quorum"),
        ({"on": "cloud"}, "cloud"),
        ({"on": "threads", "speeds": "exp"}, "--speeds"),
        ({"nodes": 2}, "--on"),
        ({"strategy": "fedavg"}, "avg, avgm"),
    ]:
        with pytest.raises(syncline.UsageError, match=said):
            trained(**options)
    with pytest.raises(syncline.UsageError, match="floating point"):
        federated.run(Rows, numpy.zeros(3, dtype=int), clients=2)
    with pytest.raises(syncline.UsageError, match="initial parameters"):
        federated.run(Rows, [], clients=2)


SCRIPT = textwrap.dedent(
    """
    import json, os, sys
    import numpy as np
    from syncline import federated

    class Halfway(federated.Client):
        def __init__(self, number):
            self.number = number

        def fit(self, parameters, config):
            if sys.argv[2] == "dies" and self.number == 2 and config["server_round"] == 2:
                os._exit(9)
            return [parameters[0] + (self.number - parameters[0]) / 3], 2 + self.number, {}

        def evaluate(self, parameters, config):
            return float(abs(parameters[0] - self.number).mean()), 1, {"pid": os.getpid()}

    done = federated.run(Halfway, [np.full(3, 5.0)], clients=3, rounds=4, nodes=3, on=sys.argv[1], seed=2)
    print(json.dumps({"values": done.parameters[0].tolist(), "lost": done.report.totals.lost, "loss": done.report.rounds[-1].loss}))
    """
)


def script(folder, *arguments):
    path = folder / "halfway.py"
    path.write_text(SCRIPT)
    done = subprocess.run([sys.executable, path, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_script_runs_on_processes_and_goes_on_without_a_client_that_dies(tmp_path):
    threads, processes = script(tmp_path, "threads", "lives"), script(tmp_path, "processes", "lives")
    assert threads == processes and processes["lost"] == 0
    dies = script(tmp_path, "processes", "dies")
    # In the second round it is lost on the way, and in the two after that as soon as it is selected.
    assert dies["lost"] == 3 and dies["values"] != processes["values"]


@pytest.mark.torch
def test_modules_of_pytorch_are_arrays_and_back():
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)

    def network():
        return torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh(), torch.nn.Linear(8, 2))

    class Points(federated.Client):
        def __init__(self, number):
            draw = torch.Generator().manual_seed(number)
            self.x = torch.randn(64, 2, generator=draw)
            self.y = (self.x[:, 0] * self.x[:, 1] > 0).long()
            self.model = network()

        def fit(self, parameters, config):
            federated.put(self.model, parameters)
            optimizer = torch.optim.SGD(self.model.train().parameters(), lr=0.5)
            for _ in range(10):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(self.model(self.x), self.y).backward()
                optimizer.step()
            return federated.arrays_of(self.model), len(self.y), {}

        def evaluate(self, parameters, config):
            federated.put(self.model.eval(), parameters)
            right = (self.model(self.x).argmax(1) == self.y).float().mean()
            return float(torch.nn.functional.cross_entropy(self.model(self.x), self.y).detach()), len(self.y), {"accuracy": float(right)}

    model = network()
    done = federated.run(Points, model, clients=3, rounds=40)
    assert done.report.rounds[-1].accuracy > 0.9
    federated.put(model, done.parameters)
    assert (federated.arrays_of(model)[0] == done.parameters[0]).all()
    with pytest.raises(syncline.UsageError, match="shapes"):
        federated.put(model, done.parameters[1:])
