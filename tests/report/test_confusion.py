"""The picture of which class was taken for which."""

from pathlib import Path

import jax.numpy as jnp
import pytest

import learnset as ls
from learnset.report import _few_shot


@pytest.fixture
def drawn(monkeypatch):
    """Draws the queries of a task, of which one is of the first class, two of the second, and so
    on, all of them right: the labels of lines and of columns, and the counts."""

    def draw(names):
        ways = len(names)
        y = jnp.repeat(jnp.eye(ways), jnp.arange(1, ways + 1), axis=0)
        batch, figures = ls.Batch(10 * y, y), []
        monkeypatch.setattr(_few_shot, "write_figure", lambda figure, *_: figures.append(figure))
        _few_shot.draw_confusion(lambda x: x, ls.Task(batch, batch), names, "recipe", Path())
        (axis,) = figures[0].axes
        labels = axis.get_yticklabels(), axis.get_xticklabels()
        lines, columns = ([label.get_text() for label in each] for each in labels)
        return lines, columns, [text.get_text() for text in axis.texts]

    return draw


def test_short_names_stand_at_lines_and_columns_in_their_order(drawn):
    names = ["4", "10", "0"]
    lines, columns, counts = drawn(names)
    assert lines == columns == ["0", "4", "10"]
    assert counts == ["3", "1", "2"]


def test_classes_with_long_names_have_numbers(drawn):
    lines, columns, _ = drawn(["Zebra", "ox"])
    assert lines == ["Zebra  1", "ox  2"] and columns == ["1", "2"]
