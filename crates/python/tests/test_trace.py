"""Reports on logs."""

import copy
import json
import pickle

import pytest

import syncline
from conftest import command, spark_events


def test_a_report_says_what_the_command_says(spark_log):
    report = syncline.trace.report(spark_log)
    document = json.loads(command("trace", "report", spark_log, "--json").stdout)
    del document["schema"]
    assert report.to_dict() == document
    assert report.tasks == 8 and report["cores"] == 2
    assert abs(sum(report.shares.values()) - 1) < 1e-9
    assert str(report).splitlines()[0] in command("trace", "report", spark_log, "--wide").stdout


def test_tables_of_a_report_are_frames(spark_log):
    report = syncline.trace.report(str(spark_log))
    assert abs(report.to_pandas("shares")["share"].sum() - 1) < 1e-9
    points = report.to_pandas()
    assert len(points) == len(report.sync_points) > 0 and "split.driver" in points.columns
    assert list(report.to_pandas("stages")["tasks"]) == [4, 4]
    with pytest.raises(syncline.UsageError, match="no table `stage`; it has shares, .*sync_points"):
        report.to_pandas("stage")


def test_a_report_is_a_page_also_in_a_notebook(spark_log, tmp_path):
    report = syncline.trace.report(spark_log)
    page = report.to_html(tmp_path / "report.html")
    assert page.startswith("<!DOCTYPE html>") and (tmp_path / "report.html").read_text() == page
    assert report._repr_html_().startswith("<iframe srcdoc=")


def test_a_copy_has_the_values_but_not_the_log(spark_log):
    report = syncline.trace.report(spark_log)
    for twin in (copy.deepcopy(report), pickle.loads(pickle.dumps(report))):
        assert twin == report and twin.sync_points[0].kind == report.sync_points[0].kind
        with pytest.raises(syncline.UsageError, match="a copied report has its values only"):
            twin.to_html()
        assert twin._repr_html_().startswith("<pre>")


def test_two_runs_are_compared(spark_log, tmp_path):
    other = tmp_path / "slower"
    other.write_text("".join(json.dumps(event) + "\n" for event in spark_events(slow_ms=1800)))
    comparison = syncline.trace.compare(spark_log, other)
    first, second = comparison.wall_ms
    assert second > first + 1500
    assert syncline.trace.compare(syncline.trace.report(spark_log), other) == comparison


def test_a_folder_is_surveyed(spark_log):
    survey = syncline.trace.survey(spark_log.parent)
    assert [row.name for row in survey.rows] == ["small"] and len(survey.to_pandas()) == 1
    assert survey.to_markdown().startswith("|")


def test_a_training_run_is_explained_and_read(trained):
    report = syncline.trace.report(trained / "run.parquet")
    assert report.system == "syncline"
    run = syncline.run_file(trained / "run.parquet")
    frame = run.to_pandas()
    assert run.info.workers == 2 and len(frame) == len(run) > 0
    assert set(frame["node"].cat.categories) == {"server/0", "worker/0", "worker/1"}
    assert (frame["end_ns"] >= frame["start_ns"]).all() and (run["end_ns"] == frame["end_ns"].to_numpy()).all()
    computed = frame[frame["phase"] == "compute"]
    assert computed["records"].sum() == 5 * 480 and frame["peer"].isna().all()


def test_what_is_no_log_is_refused_with_its_name(tmp_path, table):
    with pytest.raises(syncline.SynclineError, match="nowhere"):
        syncline.trace.report(tmp_path / "nowhere")
    with pytest.raises(syncline.SynclineError, match="fruit.csv"):
        syncline.run_file(table)
    with pytest.raises(syncline.SynclineError, match="fruit.csv"):
        syncline.trace.report(table)
