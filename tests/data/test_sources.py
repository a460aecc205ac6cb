"""The tables that have a name: school, sarcos, tox21."""

import os

import numpy as np
import pytest

import learnset as ls

real = pytest.mark.skipif(
    "LEARNSET_DATA" not in os.environ, reason="LEARNSET_DATA is unset: no real data here"
)


@real
def test_school_is_the_published_table():
    table = ls.data.school()
    assert (len(table), table.x.shape) == (139, (15362, 27))
    count = np.bincount(table.task)
    assert (count.min(), count.max()) == (22, 251)
    assert table.targets == ("exam score",) and table.y.min() >= 1 and table.y.max() == 70


@real
def test_sarcos_has_seven_torques_and_tox21_a_sixth_of_its_labels_missing():
    assert ls.data.sarcos().y.shape == (4449, 7)
    table = ls.data.tox21()
    assert table.y.shape == (8006, 12) and table.classes == ("inactive", "active")
    assert set(np.unique(table.x)) == {0, 1}
    np.testing.assert_allclose(np.isnan(table.y).mean(), 0.1726, atol=1e-4)


@pytest.mark.parametrize("name", ("school", "sarcos", "tox21"))
def test_a_missing_source_says_where_it_is_expected(name, tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNSET_DATA", str(tmp_path))
    with pytest.raises(ls.InputError, match=f"There is no folder {tmp_path}/{name}"):
        getattr(ls.data, name)()
    monkeypatch.delenv("LEARNSET_DATA")
    with pytest.raises(
        ls.InputError, match=f"LEARNSET_DATA is unset. Set it to the folder that contains `{name}/`"
    ):
        getattr(ls.data, name)()
