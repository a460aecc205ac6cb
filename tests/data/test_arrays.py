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


IMAGES = np.random.RandomState(0).randint(0, 256, (30, 8, 8, 3))
LABELS = np.repeat(np.arange(5), 6)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (IMAGES.astype(np.int64), "whole numbers, 0 to 255 (8 bits)"),
        (IMAGES.astype(float), "floats, 0 to 255"),
        ((IMAGES * 257).astype(np.uint16), "whole numbers, 0 to 65535 (16 bits)"),
        ((IMAGES * 4095 / 255).astype(">u2"), "whole numbers, 0 to 4095 (12 bits)"),
        (IMAGES[..., 0].astype(np.int32), "whole numbers, 0 to 255 (8 bits)"),
        (IMAGES[..., 0].astype(np.float32), "floats, 0 to 255"),
        (IMAGES * 20.0 - 99, "floats, -99 to 5001"),
        (IMAGES > 127, "whole numbers, 0 to 1 (1 bits)"),
    ],
)
def test_images_of_any_type_reach_a_network_between_zero_and_one(tmp_path, x, words):
    np.savez(tmp_path / "a.npz", x=x, y=LABELS)
    data = ls.from_npz(tmp_path / "a.npz")
    expected = IMAGES if x.ndim == 4 else IMAGES[..., :1]
    expected = np.where(expected > 127, 255, 0) if x.dtype == bool else expected
    assert data.x.dtype == np.uint8 and abs(data.x.astype(int) - expected).max() <= 1
    assert data.skipped == (f"30 images ({words}), brought to bytes.",)
    part, notes = ls.data.rows_of(tmp_path / "a.npz", ranges=data.ranges)
    assert (part == data.x).all() and notes == data.skipped


def test_one_dark_image_is_read_as_the_others_were(tmp_path):
    data = ls.data.Labelled.from_arrays(IMAGES.astype(float), LABELS)
    np.savez(tmp_path / "dark.npz", x=np.full((1, 8, 8, 3), 0.9))
    assert (ls.data.rows_of(tmp_path / "dark.npz", ranges=data.ranges)[0] == 1).all()
    np.savez(tmp_path / "bright.npz", x=np.full((1, 8, 8, 3), 300.0))
    x, notes = ls.data.rows_of(tmp_path / "bright.npz", ranges=data.ranges)
    assert (x == 255).all() and "1 images are cut off at that range" in notes[1]


def test_standardised_images_and_features_stay_as_they_are():
    for x in (IMAGES / 255, IMAGES / 50 - 2.5, IMAGES[:, :2] / 1.0, IMAGES[:, 0, 0] / 1.0):
        data = ls.data.Labelled.from_arrays(x, LABELS)
        assert data.x.dtype == np.float32 and (data.x == x.astype(np.float32)).all()
        assert data.skipped == ()


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.int64, bool])
@pytest.mark.parametrize("shape", [(6, 3, 28, 28), (6, 1, 28, 28), (6, 4, 20, 60)])
def test_channels_first_are_refused_with_what_to_do(kind, shape):
    with pytest.raises(
        InputError, match=r"channels come second, as in PyTorch.*transpose\(0, 2, 3"
    ):
        ls.data.Labelled.from_arrays(np.zeros(shape, kind), [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("shape", [(6, 28, 28, 3), (6, 3, 3, 640), (6, 3, 28, 3), (6, 4, 5, 640)])
def test_other_shapes_of_four_axes_are_taken(shape):
    assert len(ls.data.Labelled.from_arrays(np.zeros(shape), [0, 0, 0, 1, 1, 1])) == 2


def test_the_same_image_in_two_classes_is_noted(tmp_path):
    x = IMAGES.astype(np.uint8).copy()
    x[0], x[7] = x[29], x[6]
    np.savez(tmp_path / "a.npz", x=x, y=LABELS)
    assert ls.from_npz(tmp_path / "a.npz").skipped == (
        "2 images are also in another class, byte for byte.",
        "1 images are twice in their class, byte for byte.",
    )


def test_floats_too_large_for_a_network_are_counted_with_those_that_are_infinite():
    with pytest.raises(InputError, match="1 rows with numbers that are NaN or infinite"):
        ls.data.Labelled.from_arrays(np.array([[1e300], [1.0]]), [0, 1])


def test_images_in_the_order_of_columns_are_read_alike(tmp_path):
    x = IMAGES.astype(np.uint8)
    np.savez(tmp_path / "columns.npz", x=np.asfortranarray(x), y=LABELS)
    assert (ls.from_npz(tmp_path / "columns.npz").x == x).all()
