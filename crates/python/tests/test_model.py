"""Saved models."""

import csv

import numpy
import pandas
import pytest

import syncline
from conftest import command


def test_a_model_gives_the_same_for_a_file_a_frame_and_columns(trained, table):
    model = syncline.Model(trained / "model.safetensors")
    assert model.target == "kind" and sorted(model.classes) == ["apple", "plum"] and model.parameters.dtype == numpy.float32
    from_file = model.apply(table)
    frame = pandas.read_csv(table)
    columns = {name: frame[name].to_numpy() for name in ("colour", "girth", "weight")}
    for other in (model.apply(frame), model.apply(columns), model.apply([table])):
        assert (other.values == from_file.values).all() and numpy.array_equal(other.scores, from_file.scores)
    assert (from_file.values == frame["kind"]).mean() > 0.9
    assert numpy.allclose(from_file.scores.sum(axis=1), 1, atol=1e-5)
    # And what the command prints.
    printed = list(csv.reader(command("apply", trained / "model.safetensors", table).stdout.splitlines()))
    assert [row[0] for row in printed[1:]] == list(from_file.values)
    assert list(from_file.to_pandas().columns) == ["predicted kind", *model.classes]


def test_a_frame_of_polars(trained, table):
    polars = pytest.importorskip("polars")
    model, frame = syncline.Model(trained / "model.safetensors"), polars.read_csv(table)
    scored = model.apply(frame.reverse())
    assert (scored.values[::-1] == model.apply(table).values).all()
    assert (model.apply(frame.lazy().filter(polars.col("weight") > 0)).values == model.apply(frame.filter(polars.col("weight") > 0)).values).all()
    told = scored.to_polars()
    assert told.columns == ["predicted kind", *model.classes] and told["predicted kind"].dtype == polars.String
    assert len(frame.hstack(told)) == 600
    prices = command("train", table, "--label", "price", "--drop", "kind", "--epochs", 2, "--save", trained / "price.safetensors")
    assert prices.returncode == 0, prices.stderr
    amounts = syncline.Model(trained / "price.safetensors").apply(frame.with_columns(weight=None)).to_polars()
    assert amounts["predicted price"].dtype == polars.Float64


@pytest.mark.parametrize("kinds", [[0, 1], [-1, 20], [False, True]], ids=str)
def test_classes_are_as_pandas_reads_them(kinds, tmp_path):
    rows = [f"{at % 7 - 3},{kinds[at % 7 > 3]}" for at in range(140)]
    (tmp_path / "rows.csv").write_text("\n".join(["x,kind", *rows]) + "\n")
    done = command(
        "train", tmp_path / "rows.csv", "--label", "kind", "--task", "classification", "--epochs", 20, "--save", tmp_path / "m.safetensors"
    )
    assert done.returncode == 0, done.stderr
    frame = pandas.read_csv(tmp_path / "rows.csv")
    scored = syncline.Model(tmp_path / "m.safetensors").apply(frame)
    assert (scored.values == frame["kind"]).mean() > 0.9 and scored.values.dtype == frame["kind"].dtype, scored.values[:7]
    assert (scored.to_pandas()["predicted kind"] == frame["kind"]).mean() > 0.9


def test_amounts_are_in_their_units(table, tmp_path):
    done = command("train", table, "--label", "price", "--drop", "kind", "--epochs", 20, "--save", tmp_path / "price.safetensors")
    assert done.returncode == 0, done.stderr
    predicted = syncline.Model(tmp_path / "price.safetensors").apply(table)
    price = pandas.read_csv(table)["price"]
    assert predicted.scores is None and predicted.values.dtype == numpy.float64
    assert numpy.abs(predicted.values - price).mean() < 0.5


def test_missing_cells_are_filled_and_wrong_ones_told(trained, caplog):
    model = syncline.Model(trained / "model.safetensors")
    rows = {"weight": [1.0, None, float("nan")], "girth": [0.0, 0.0, 1.0], "colour": ["red", "blue", None]}
    with caplog.at_level("INFO", logger="syncline"):
        assert len(model.apply(rows)) == 3
    assert "3 missing cells" in caplog.text
    with pytest.raises(syncline.SynclineError, match="girth"):
        model.apply({"weight": [1.0], "colour": ["red"]})
    with pytest.raises(syncline.SynclineError, match="heavy"):
        model.apply({"weight": ["heavy"], "girth": [1], "colour": ["red"]})
    with pytest.raises(syncline.UsageError, match="`weight` 2, `girth` 1"):
        model.apply({"weight": [1.0, 2.0], "girth": [1]})
    with pytest.raises(syncline.UsageError, match="no row"):
        model.apply({"weight": [], "girth": [], "colour": []})


def test_what_is_no_model_is_told(table):
    with pytest.raises(syncline.SynclineError, match="fruit.csv"):
        syncline.Model(table)
