"""Predictions, queues, schedules: questions that the command answers."""

import logging
import threading

import pytest

import syncline
from syncline import queue, schedule


def test_a_run_is_predicted_with_intervals(trained):
    answer = syncline.predict(trained / "run.parquet", workers=range(1, 5), sync=["bsp", "ssp:2"])
    frame = answer.to_pandas()
    assert len(frame) == 8 and set(frame["workers"]) == {1, 2, 3, 4} and set(frame["sync"]) == {"bsp", "ssp:2"}
    assert (frame["round_s.low"] <= frame["round_s"]).all() and (frame["round_s"] <= frame["round_s.high"]).all()
    assert isinstance(answer.run.error, float)


def test_a_spark_log_is_predicted(spark_log):
    answer = syncline.predict(spark_log, cores="1..4")
    assert [size.cores for size in answer.predictions] == [1, 2, 3, 4]
    assert "<table" in answer._repr_html_()


def test_formulas_and_simulation_agree():
    system = dict(system="split-merge", workers=4, arrivals="exp:0.2", service="exp:1")
    exact = [each for each in queue.mean(**system).estimates() if each.kind == "exact"]
    simulated = queue.simulate(**system, jobs=200_000, seed=3)
    assert len(exact) > 0
    assert abs(simulated.mean.value - exact[0].value) < 4 * simulated.mean.half_width_95
    assert len(queue.mean(**system).to_pandas()) >= 1
    assert queue.stability(**system).answers and queue.bound(**system, quantile=0.01).answers


def test_a_sweep_gives_arrays():
    import numpy

    curves = queue.sweep(system="1-barrier", workers=4, tasks=2, service="exp:1", arrival_rate=[0.1, 0.2], jobs=20_000)
    for series in curves.series:
        assert series.arrival_rate.dtype == numpy.float64 and list(series.arrival_rate) == [0.1, 0.2]
        assert (series.value > 0).all() and (series.half_width >= 0).all()
    assert len(curves.to_pandas()) == sum(len(series.points) for series in curves.series)


def test_policies_are_compared():
    found = schedule.simulate(policy=["fifo", "drf"], jobs=8, machines=4, seeds="1..2")
    assert [policy.name for policy in found.policies] == ["fifo", "drf"]
    assert len(found.to_pandas()) == 2


def test_a_mistake_is_a_usage_error_that_says_what_to_do():
    with pytest.raises(syncline.UsageError, match="unexpected argument '--machine'"):
        schedule.simulate(machine=5)
    with pytest.raises(ValueError, match="barrier"):
        queue.mean(system="3-barrier", workers=4, arrivals="exp:1", service="exp:1")
    with pytest.raises(syncline.SynclineError, match="not stable|stable"):
        queue.mean(system="split-merge", workers=4, arrivals="exp:9", service="exp:1")


def test_remarks_go_to_logging(trained, caplog):
    with caplog.at_level(logging.INFO, logger="syncline"):
        schedule.simulate(policy="fifo", jobs=4, machines=4, seeds="1..1", out=str(trained / "figures"))
    assert any("figures" in record.getMessage() for record in caplog.records)


def test_several_threads_ask_at_once():
    answers = {}

    def ask(workers):
        answers[workers] = queue.mean(system="split-merge", workers=workers, arrivals="exp:0.1", service="exp:1")

    threads = [threading.Thread(target=ask, args=(workers,)) for workers in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    means = [answers[workers].estimates()[0].value for workers in range(1, 6)]
    assert means == sorted(means) and all(answers[w].schema == "syncline.queue.mean/1" for w in answers)
