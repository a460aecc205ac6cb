"""A column of texts becomes the features of a pretrained network."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

import learnset as ls
from learnset.data import Schema
from learnset.models import Backbone, TEXT_FEATURES


class Letters(eqx.Module):
    """Counts tokens, of which there is one for each letter."""

    ones: jnp.ndarray = eqx.field(default_factory=lambda: jnp.ones(TEXT_FEATURES))

    def features(self, x):
        return self.ones * (x > 0).astype(self.ones.dtype).sum()


def frame(texts):
    count = len(texts)
    return pl.DataFrame({"shop": ["a", "b"] * (count // 2), "text": texts, "stars": range(count)})


@pytest.fixture
def made(monkeypatch, tmp_path):
    """Texts whose features were computed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network, seen = Backbone(Letters(), in_shape=(512,), vocabulary="letters"), []

    def tokens(self, texts):
        seen.extend(texts)
        longest = max(1, *(len(text) for text in texts))
        rows = [[1] * len(text) + [0] * (longest - len(text)) for text in texts]
        return np.array(rows, np.int32).reshape(len(texts), longest)

    monkeypatch.setattr(Backbone, "named", classmethod(lambda cls, name: network))
    monkeypatch.setattr(Backbone, "tokens", tokens)
    return seen


def read(texts, encoders=(("text", "minilm"),), schema=None):
    encoders = dict(encoders)
    return ls.read_table(frame(texts), task="shop", target="stars", texts=encoders, schema=schema)


def test_each_text_has_its_own_features_and_the_reading_says_so(made):
    texts = ["ab" * (i % 7) for i in range(70)]
    table = read(texts)
    assert table.x.shape == (70, TEXT_FEATURES) and table.columns[:2] == ("text 1", "text 2")
    np.testing.assert_array_equal(table.x[:, 0], [len(text) for text in texts])
    row = next(row for row in table.reading if row.column == "text")
    assert (row.role, row.kind) == ("input", "text") and "minilm" in row.done
    assert "10 of 70 rows 'text' is empty" in " ".join(table.notes)


def test_several_columns_are_texts(made):
    texts = ["a", "bb", "ccc", "dddd"]
    two = frame(texts).with_columns(pl.Series("title", texts[::-1]))
    encoders = {"text": "minilm", "title": "minilm"}
    table = ls.read_table(two, task="shop", target="stars", texts=encoders)
    assert table.x.shape == (4, 2 * TEXT_FEATURES)
    np.testing.assert_array_equal(table.x[:, 0] + table.x[:, -1], 5)


def test_the_schema_reads_later_texts_alike_and_none_twice(made):
    table = read(["a", "bb", "ccc", "dddd"])
    schema = Schema.from_json(table.schema.to_json())
    assert schema == table.schema
    del made[:]
    later = schema.read(pl.DataFrame({"text": ["xyz", None], "shop": ["a", "b"]}))
    assert later.x[:, 5].tolist() == [3.0, 0.0] and made
    del made[:]
    again = read(["a", "bb", "ccc", "dddd"], (), schema)
    np.testing.assert_array_equal(again.x, table.x)
    assert not made  # kept in the cache


def test_a_column_of_texts_that_is_something_else_is_refused(made):
    with pytest.raises(ls.InputError, match="cannot be more"):
        read(["a", "b"], {"stars": "minilm"})
    with pytest.raises(ls.InputError, match="no column 'review'"):
        read(["a", "b"], {"review": "minilm"})


def test_other_weights_have_other_features_or_are_refused(made, monkeypatch):
    """The file of weights is replaced by another of the same name."""
    texts = ["a", "bb", "ccc", "dddd"]
    table = read(texts, {"text": "mine.safetensors"})
    other = Backbone(Letters(2 * jnp.ones(TEXT_FEATURES)), in_shape=(512,), vocabulary="letters")
    monkeypatch.setattr(Backbone, "named", classmethod(lambda cls, name: other))
    np.testing.assert_array_equal(read(texts, {"text": "mine.safetensors"}).x, 2 * table.x)
    with pytest.raises(ls.InputError, match="'mine.safetensors' has other weights"):
        table.schema.read(frame(texts))
