"""What the tests have in common: a small table, a run that was trained on it, and a Spark log."""

import json
import random
import subprocess
import sys

import pytest


def command(*arguments, **options):
    """The command as the package brings it along."""
    return subprocess.run(
        [sys.executable, "-m", "syncline", *map(str, arguments)], capture_output=True, text=True, timeout=300, **options
    )


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    """600 rows of two numbers and a colour, from which a class and an amount follow."""
    path = tmp_path_factory.mktemp("table") / "fruit.csv"
    draw = random.Random(7)
    rows = ["weight,girth,colour,kind,price"]
    for _ in range(600):
        weight, girth, colour = draw.gauss(0, 1), draw.gauss(0, 1), draw.choice(["red", "green", "blue"])
        kind = "apple" if weight + (1 if colour == "red" else -1) > 0 else "plum"
        rows.append(f"{weight:.4f},{girth:.4f},{colour},{kind},{3 * weight - girth + 10:.4f}")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="session")
def trained(table, tmp_path_factory):
    """A run: its trace and its saved model."""
    folder = tmp_path_factory.mktemp("run")
    done = command(
        "train", table, "--label", "kind", "--drop", "price", "--workers", 2, "--epochs", 5, "--trace", folder / "run.parquet",
        "--save", folder / "model.safetensors", "--quiet",
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def spark_log(tmp_path_factory):
    """One job of two stages of four tasks on two cores, of which one task is slow."""
    path = tmp_path_factory.mktemp("spark") / "app-1"
    path.write_text("".join(json.dumps(event) + "\n" for event in spark_events(slow_ms=900)))
    return path


def spark_events(slow_ms):
    """The events of a small application."""
    yield {"Event": "SparkListenerLogStart", "Spark Version": "3.5.1"}
    yield {"Event": "SparkListenerApplicationStart", "App Name": "small", "App ID": "app-1", "Timestamp": 1000, "User": "u"}
    for executor in ("1", "2"):
        yield {
            "Event": "SparkListenerExecutorAdded", "Timestamp": 1100, "Executor ID": executor,
            "Executor Info": {"Host": "h", "Total Cores": 1, "Log Urls": {}},
        }
    yield {
        "Event": "SparkListenerJobStart", "Job ID": 0, "Submission Time": 1200,
        "Stage Infos": [stage(0, 1200), stage(1, 1200)], "Stage IDs": [0, 1], "Properties": {},
    }
    at, number = 1200, 0
    for which in (0, 1):
        yield {"Event": "SparkListenerStageSubmitted", "Stage Info": stage(which, at), "Properties": {}}
        free = {"1": at + 10, "2": at + 10}
        for task in range(4):
            executor = min(free, key=free.get)
            start = free[executor]
            end = start + (slow_ms if task == 3 else 200)
            free[executor] = end
            info = {
                "Task ID": number, "Index": task, "Attempt": 0, "Launch Time": start, "Executor ID": executor, "Host": "h",
                "Locality": "PROCESS_LOCAL", "Speculative": False, "Getting Result Time": 0, "Finish Time": end,
                "Failed": False, "Killed": False, "Accumulables": [],
            }
            yield {"Event": "SparkListenerTaskStart", "Stage ID": which, "Stage Attempt ID": 0, "Task Info": info}
            yield {
                "Event": "SparkListenerTaskEnd", "Stage ID": which, "Stage Attempt ID": 0, "Task Type": "ResultTask",
                "Task End Reason": {"Reason": "Success"}, "Task Info": info,
                "Task Metrics": {
                    "Executor Deserialize Time": 5, "Executor Run Time": end - start - 10, "Result Size": 100,
                    "JVM GC Time": 0, "Result Serialization Time": 0,
                },
            }
            number += 1
        at = max(free.values()) + 5
        yield {"Event": "SparkListenerStageCompleted", "Stage Info": stage(which, at - 500, at)}
    yield {"Event": "SparkListenerJobEnd", "Job ID": 0, "Completion Time": at + 5, "Job Result": {"Result": "JobSucceeded"}}
    yield {"Event": "SparkListenerApplicationEnd", "Timestamp": at + 100}


def stage(number, submitted, completed=None):
    """A stage as Spark describes it."""
    info = {
        "Stage ID": number, "Stage Attempt ID": 0, "Stage Name": f"collect at Small.scala:{number + 1}", "Number of Tasks": 4,
        "RDD Info": [], "Parent IDs": [0] if number else [], "Details": "", "Submission Time": submitted, "Accumulables": [],
    }
    return {**info, "Completion Time": completed} if completed else info


class Lender:
    """A tensor of a library that lends its memory, and of which nothing else is known."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()
