"""The notebooks, cell by cell."""

import ast
import json

import pytest

from test_examples import EXAMPLES

NOTEBOOKS = sorted((EXAMPLES / "notebooks").glob("*.ipynb"))


def run(cell, names):
    """Runs a cell; a value at its end is shown as a notebook would."""
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        show = getattr(value, "_repr_html_", None) or value.__repr__
        assert show()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_first_cell_to_its_last(path, capsys):
    names = {"__name__": "__main__"}
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 3
    for cell in cells:
        assert cell["outputs"] == [], "a notebook is kept without what it printed"
        run("".join(cell["source"]), names)


def test_there_is_a_notebook_for_each_strand():
    assert {path.stem for path in NOTEBOOKS} == {"explain_and_predict", "queues_and_schedules", "train"}
