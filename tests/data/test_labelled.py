"""Examples with classes: sorted, chosen, split, and refused with a reason."""

import jax
import numpy as np
import pytest

import learnset as ls
from learnset import InputError
from learnset.data._cache import cache_folder, kept


def numbered(sizes, groups=None) -> ls.data.Labelled:
    """Class `i` has `sizes[i]` rows, in a shuffled order; row `j` of class `i` is `[i, j]`."""
    rows = np.array([(i, j) for i, size in enumerate(sizes) for j in range(size)])
    rows = rows[np.random.RandomState(0).permutation(len(rows))]
    return ls.data.Labelled.from_arrays(rows.astype(np.float32), rows[:, 0], groups=groups)


def images(count=6) -> np.ndarray:
    return np.random.RandomState(1).randint(0, 256, (count, 12, 9, 3)).astype(np.uint8)


def test_rows_are_sorted_by_class_and_stay_in_their_order():
    x = np.array([[5.0], [1.0], [4.0], [2.0]])
    data = ls.data.Labelled.from_arrays(x, ["b", "a", "b", "a"])
    assert data.x[:, 0].tolist() == [1, 2, 5, 4] and data.labels.tolist() == [0, 0, 1, 1]
    assert data.starts.tolist() == [0, 2] and data.sizes.tolist() == [2, 2]
    assert data.x.dtype == np.float32


def test_images_survive_bit_for_bit():
    x = images()
    data = ls.data.Labelled.from_arrays(x, np.arange(6)[::-1])
    assert data.x.dtype == np.uint8 and (data.x == x[::-1]).all()
    assert ls.data.Labelled.from_arrays(x[..., 0], np.arange(6)).x.shape == (6, 12, 9, 1)


def test_a_subset_holds_the_rows_of_its_classes():
    data = numbered([3, 1, 4, 2]).subset([2, 0])
    assert data.names == ("2", "0") and data.sizes.tolist() == [4, 3]
    assert (data.x[data.labels == 0, 0] == 2).all() and (data.x[data.labels == 1, 0] == 0).all()


@pytest.mark.parametrize("by_group", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_the_parts_of_a_split_share_no_class(by_group, seed):
    groups = [f"group {i // 5}" for i in range(50)]
    parts = numbered([2] * 50, groups).split((0.6, 0.1, 0.3), by_group=by_group, seed=seed)
    names = [set(part.names) for part in parts]
    assert len(set.union(*names)) == 50 == sum(len(part) for part in parts)
    if by_group:
        assert sum(len(set(part.groups)) for part in parts) == 10
    assert [len(part) for part in parts] == [30, 5, 15]


def test_a_split_by_counts_leaves_the_rest_out_and_keeps_to_its_seed():
    data = numbered([2] * 20)
    parts = data.split((10, 2, 4), seed=3)
    assert [len(part) for part in parts] == [10, 2, 4]
    again, other = (data.split((10, 2, 4), seed=seed).test.names for seed in (3, 4))
    assert parts.test.names == again != other


def test_one_large_group_goes_where_there_is_room_and_no_part_is_empty():
    groups = ["large"] * 60 + [f"small {i // 2}" for i in range(20)]
    for seed in range(10):
        parts = numbered([1] * 80, groups).split((0.7, 0.1, 0.2), by_group=True, seed=seed)
        assert "large" in parts.train.groups and min(len(part) for part in parts) >= 2
    few = numbered([1] * 3, ["a", "b", "c"]).split((0.98, 0.01, 0.01), by_group=True)
    assert [len(part) for part in few] == [1, 1, 1]


def test_small_classes_are_left_out_and_counted():
    data = numbered([5, 1, 4, 1]).of_size(2)
    assert data.names == ("0", "2")
    assert data.skipped == ("2 classes with fewer than 2 examples: 1 (1), 3 (1).",)
    with pytest.raises(
        InputError, match="No classes are left. 4 classes with fewer than 9 examples"
    ):
        numbered([5, 1, 4, 1]).of_size(9)


def test_groups_are_chosen_by_name():
    data = numbered([1, 2, 3], ["a", "b", "a"])
    assert data.of_groups(["a"]).names == ("0", "2")
    with pytest.raises(InputError, match="No class belongs to the group 'c'. The groups are: a, b"):
        data.of_groups(["c"])


def test_a_smaller_image_is_the_mean_over_areas():
    x = images()
    data = ls.data.Labelled.from_arrays(x, np.arange(6))
    means = x.reshape(6, 4, 3, 3, 3, 3).mean(axis=(2, 4))
    assert (data.resized((4, 3)).x == np.floor(means + 0.5)).all()
    assert data.resized((12, 9)).x is data.x  # nothing to do
    # Where pixels do not divide, the mean grey is kept, to a rounding of half a step.
    assert np.allclose(data.resized((5, 7)).x.mean(axis=(1, 2)), x.mean(axis=(1, 2)), atol=0.5)
    grey = ls.data.Labelled.from_arrays(np.full((2, 5, 5), 77, np.uint8), [0, 1])
    assert (grey.resized(28).x == 77).all()


def test_images_that_grow_lie_between_pixels_and_others_are_means_over_areas():
    x = images()
    larger = ls.data.Labelled.from_arrays(x, np.zeros(6, int)).resized((29, 9)).x
    expected = jax.image.resize(x.astype(np.float32), (6, 29, 9, 3), "linear")
    np.testing.assert_allclose(larger, expected, atol=0.51)
    both = ls.data.Labelled.from_arrays(x, np.zeros(6, int)).resized((24, 3)).x
    means = x.reshape(6, 12, 3, 3, 3).mean(axis=3)
    np.testing.assert_allclose(
        both, jax.image.resize(means.astype(np.float32), (6, 24, 3, 3), "linear"), atol=0.51
    )


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 2)), [0, 1], "`x` has 3 rows and `y` has 2"),
        (np.zeros((0, 2)), [], "no rows"),
        (np.zeros(3), [0, 1, 2], "it needs a second axis"),
        (np.array([[1.0], [np.nan]]), [0, 1], "1 rows with numbers that are NaN"),
        (np.array([[1e300], [0.0]]), [0, 1], "NaN or infinite"),
        (np.zeros((2, 2)), [0.5, 1.0], "`y` has floats"),
        (np.zeros((2, 2)), [[0], [1]], r"`y` has the shape \(2, 1\)"),
        (np.zeros((2, 2)), np.array([None, "a"]), "`y` has the type object"),
        (np.array([["a"], ["b"]]), [0, 1], "`x` has the type <U1"),
        (np.zeros((2, 3, 3, 3, 3), np.uint8), [0, 1], "images must be"),
    ],
)  # fmt: skip
def test_arrays_that_are_not_examples_are_refused_in_one_line(x, y, message):
    with pytest.raises(InputError, match=message) as error:
        ls.data.Labelled.from_arrays(x, y)
    assert "\n" not in str(error.value)


def test_each_class_has_one_name():
    with pytest.raises(InputError, match="`names` has 3 entries, but `y` has 2 classes"):
        ls.data.Labelled.from_arrays(np.zeros((2, 1)), [0, 1], names=["a", "b", "c"])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((8, 2, 1), "asks for 11 classes, but there are 10"),
        ((0.5, 0.5, 0.5), "at most 1"),
        ((0.5, 0.0, 0.5), "above zero"),
        ((0.98, 0.01, 0.01), "leaves a part empty"),
        ((5, 5), "there must be three"),
    ],
)
def test_an_impossible_split_is_refused(parts, message):
    with pytest.raises(InputError, match=message):
        numbered([1] * 10).split(parts)


def test_a_subset_of_no_classes_or_of_unknown_ones_is_refused():
    for classes, message in (
        ([], "No classes were chosen"),
        ([4], "Class 4 was chosen, but there are 4"),
        ([1, 1], "twice"),
    ):
        with pytest.raises(InputError, match=message):
            numbered([1] * 4).subset(classes)


def test_features_have_no_size_in_pixels():
    with pytest.raises(InputError, match="these are features"):
        numbered([1, 1]).resized(28)


def test_classes_that_overlap_are_refused():
    with pytest.raises(InputError, match="use `from_arrays`"):
        ls.data.Labelled(np.zeros((3, 1)), np.array([0, 1]), np.array([2, 2]), ("a", "b"), ("", ""))


def test_the_cache_keeps_data_bit_for_bit_and_makes_a_damaged_file_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = []

    def make():
        made.append(1)
        return ls.data.Labelled.from_arrays(
            images(), list("ababcc"), groups=["x", "y", ""], min_size=2
        )

    first, again = kept("folder/some", make), kept("folder/some", make)
    assert len(made) == 1 and (first.x == again.x).all() and first.x.dtype == again.x.dtype
    assert (first.names, first.groups, first.skipped) == (again.names, again.groups, again.skipped)
    assert (first.starts == again.starts).all() and (first.sizes == again.sizes).all()
    file = cache_folder() / "folder" / "some.cache"
    whole = file.read_bytes()
    flipped = [whole[:i] + bytes([whole[i] ^ 4]) + whole[i + 1 :] for i in range(0, len(whole), 97)]
    for damaged in (b"", whole[:100], whole + b"x", *flipped):
        file.write_bytes(damaged)
        anew = kept("folder/some", make)
        assert (anew.x == first.x).all() and anew.names == first.names
        assert anew.skipped[-1] == f"The copy {file} in the cache was damaged, and was made again."
        assert file.read_bytes() == whole and kept("folder/some", make).skipped == first.skipped
    assert len(made) == 1 + 3 + len(flipped)
    assert [path.name for path in file.parent.iterdir()] == ["some.cache"]


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    (tmp_path / "learnset").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert len(kept("some", lambda: numbered([1, 2]))) == 2
