"""Rows of files as arrays, and models that are written."""

import numpy
import pandas
import pytest

import syncline
from conftest import command


def test_rows_are_those_that_a_run_learns_from(table):
    rows = syncline.dataset(table, label="kind", drop=["price"], standardize=False)
    frame = pandas.read_csv(table)
    assert rows.shape == (600, 5) and rows.classes == ["apple", "plum"] and rows.weights is None and not rows.is_sparse
    assert rows.feature_names == ["weight", "girth", "colour=blue", "colour=green", "colour=red"]
    assert (rows.features[:, 0] == frame["weight"].to_numpy("f4")).all()
    assert ((rows.features[:, 4] == 1) == (frame["colour"] == "red")).all()
    assert [rows.classes[number] for number in rows.targets] == list(frame["kind"])
    assert list(rows.to_pandas()["kind"]) == list(frame["kind"]) and rows.to_pandas().shape == (600, 6)
    scaled = syncline.dataset(table, label="kind", drop=["price"])
    assert abs(scaled.features[:, 0].mean()) < 1e-5 and abs(scaled.features[:, 0].std() - 1) < 1e-4


def test_amounts_are_in_their_units(table):
    rows = syncline.dataset([table], label="price", drop="kind")
    assert syncline.dataset(table, label="price", drop="kind,colour").feature_names == ["weight", "girth"]
    price = pandas.read_csv(table)["price"]
    assert rows.classes == [] and numpy.allclose(rows.targets, price, atol=1e-4)
    centre, deviation = rows.target_scale
    assert abs(centre - price.mean()) < 1e-3 and abs(deviation - price.std(ddof=0)) < 1e-3


def test_sparse_rows_and_arrays_of_numpy(tmp_path):
    (tmp_path / "words.svm").write_text("1 1:0.5 3:2\n0 2:1\n")
    rows = syncline.dataset(tmp_path / "words.svm", standardize=False)
    values, indices, offsets = rows.csr
    assert rows.is_sparse and rows.shape == (2, 3) and rows.classes == ["0", "1"] and rows.targets.tolist() == [1, 0]
    assert (values.tolist(), indices.tolist(), offsets.tolist()) == ([0.5, 2, 1], [0, 2, 1], [0, 2, 3])
    numpy.savez(tmp_path / "rows.npz", X=numpy.eye(3, dtype="f4"), y=numpy.array([0.5, 1.5, 2.5]))
    back = syncline.dataset(tmp_path / "rows.npz", standardize=False)
    assert (back.features == numpy.eye(3)).all() and back.targets.tolist() == [0.5, 1.5, 2.5]
    with pytest.raises(syncline.SynclineError, match="not sparse"):
        back.csr


def test_sparse_rows_are_arrays_of_scipy(tmp_path):
    pytest.importorskip("scipy")
    (tmp_path / "words.svm").write_text("1 1:0.5 3:2\n0 2:1\n")
    rows = syncline.dataset(tmp_path / "words.svm", standardize=False)
    assert rows.features.toarray().tolist() == [[0.5, 0, 2], [0, 1, 0]]


def test_mistakes_are_told(table, tmp_path):
    with pytest.raises(syncline.SynclineError, match="kidn"):
        syncline.dataset(table, label="kidn")
    with pytest.raises(syncline.UsageError, match="ranking"):
        syncline.dataset(table, task="ranking")
    with pytest.raises(syncline.SynclineError, match="nowhere.csv"):
        syncline.dataset(tmp_path / "nowhere.csv")


def test_a_model_is_trained_further_and_written(trained, table, tmp_path):
    model = syncline.Model(trained / "model.safetensors")
    rows = model.read(table)
    assert rows.classes == model.classes and rows.shape == (600, 5)
    # What the model makes of its features is what it predicts: a line for each class but the first, or for each.
    parameters = model.parameters
    scores = rows.features @ parameters[: 5 * (len(parameters) // 6)].reshape(5, -1) + parameters[5 * (len(parameters) // 6) :]
    chosen = (scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(axis=1)
    assert [model.classes[number] for number in chosen] == list(model.apply(table).values)
    model.save(tmp_path / "turned.safetensors", -parameters)
    turned = syncline.Model(tmp_path / "turned.safetensors")
    assert (turned.parameters == -parameters).all() and turned.schema == model.schema
    assert (turned.apply(table).values != model.apply(table).values).mean() > 0.9
    said = command("evaluate", tmp_path / "turned.safetensors", table)
    assert said.returncode == 0, said.stderr
    for wrong, why in [(parameters[:-1], "parameters for a model of"), (parameters * numpy.nan, "parameter 0 is NaN")]:
        with pytest.raises(syncline.UsageError, match=why):
            model.save(tmp_path / "wrong.safetensors", wrong)
    assert not (tmp_path / "wrong.safetensors").exists()
