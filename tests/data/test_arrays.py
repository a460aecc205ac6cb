"""Arrays with classes from files and from scikit-learn."""

import numpy as np
import pytest

import learnset as ls
from learnset import InputError


def test_arrays_come_back_bit_for_bit(tmp_path):
    x = np.random.RandomState(0).randint(0, 256, (6, 10, 8, 3)).astype(np.uint8)
    np.savez(
        tmp_path / "images.npz",
        x=x,
        y=[1, 1, 0, 0, 0, 1],
        names=["cat", "dog"],
        groups=["pets", "pets"],
    )
    data = ls.from_npz(tmp_path / "images.npz")
    assert (data.x == x[[2, 3, 4, 0, 1, 5]]).all()
    assert (data.names, data.groups) == (("cat", "dog"), ("pets", "pets"))
    features = np.random.RandomState(1).normal(size=(6, 640)).astype(np.float32)
    np.savez_compressed(
        tmp_path / "features.npz", x=features, y=["a", "a", "b", "b", "c", "c"], other=np.zeros(3)
    )
    assert (ls.from_npz(str(tmp_path / "features.npz")).x == features).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((2, 3))}, "has no array `y`; it holds x"),
        ({"labels": np.zeros(2)}, "has no array `x`; it holds labels"),
        ({"x": np.zeros((2, 3)), "y": [0, 1, 2]}, "`x` has 2 rows and `y` has 3"),
        ({"x": np.zeros((2, 3)), "y": [0.0, 1.0]}, "`y` has floats"),
        ({"x": np.zeros((2, 3)), "y": np.array([None, 1])}, "arrays of Python objects"),
        ({"x": np.full((2, 3), np.nan), "y": [0, 1]}, "2 rows with numbers that are NaN"),
        (
            {"x": np.zeros((2, 3)), "y": [0, 1], "names": [1, 2]},
            "it must be one string for each class",
        ),
        (
            {"x": np.zeros((2, 3)), "y": [0, 1], "names": ["a"]},
            "`names` has 1 entries, but `y` has 2 classes",
        ),
    ],
)
def test_arrays_that_are_not_examples_are_refused_in_one_line(tmp_path, arrays, message):
    np.savez(tmp_path / "some.npz", **arrays)
    with pytest.raises(InputError, match=message) as error:
        ls.from_npz(tmp_path / "some.npz")
    assert "\n" not in str(error.value) and "some.npz" in str(error.value)


def test_files_that_are_not_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "whole.npz", x=np.zeros((20, 30)), y=np.arange(20))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:500])
    (tmp_path / "text.npz").write_text("x, y")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "single.npy", np.zeros(3))
    for name in ("cut.npz", "text.npz", "empty.npz", "single.npy"):
        with pytest.raises(InputError, match=f"{name} is not a complete `.npz` file"):
            ls.from_npz(tmp_path / name)
    with pytest.raises(InputError, match="does not exist"):
        ls.from_npz(tmp_path / "missing.npz")
    with pytest.raises(InputError, match="is a folder"):
        ls.from_npz(tmp_path)


def test_digits_are_ten_classes_of_shades():
    pytest.importorskip("sklearn")
    data = ls.data.digits()
    assert data.names == tuple("0123456789") and data.sizes.min() == 174 and data.sizes.max() == 183
    assert data.x.min() == 0 and data.x.max() == 255 and len(np.unique(data.x)) == 17
