"""Features of a pretrained network are computed once for the same inputs."""

import dataclasses
import os

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from PIL import Image

import learnset as ls
from learnset.data import _cache, Classes
from learnset.recipes import frozen


class Means(eqx.Module):
    """Mean and spread of each channel, times a weight."""

    weight: jnp.ndarray = eqx.field(default_factory=lambda: jnp.ones(()))

    def features(self, x):
        return self.weight * jnp.concatenate([x.mean(axis=(0, 1)), x.std(axis=(0, 1))])


def backbone(weight=1.0):
    return ls.models.Backbone(Means(jnp.asarray(weight)), in_shape=(8, 8, 3))


def images(count=70):
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8)


def features_of(folder, xs, weight=1.0):
    with ls.training.Features(backbone(weight), "means", len(xs), folder=folder) as features:
        return features.of(xs)


def test_features_are_those_of_the_network_and_kept_by_contents(tmp_path):
    xs = images()
    expected = np.concatenate([xs.mean((1, 2)), xs.std((1, 2))], axis=1) / 255
    np.testing.assert_allclose(features_of(tmp_path, xs), expected, rtol=1e-5)
    (path,) = tmp_path.iterdir()
    os.utime(path, ns=(1, 1))
    written = path.stat().st_ino
    np.testing.assert_allclose(features_of(tmp_path, xs), expected, rtol=1e-5)
    assert path.stat().st_ino == written and path.stat().st_mtime_ns > 1  # read, and so used
    path.write_bytes(path.read_bytes()[:-3])  # a damaged copy is made again
    np.testing.assert_allclose(features_of(tmp_path, xs), expected, rtol=1e-5)
    np.testing.assert_allclose(features_of(tmp_path, xs, 2.0), 2 * expected, rtol=1e-5)
    xs[0, 0, 0, 0] ^= 128
    assert (features_of(tmp_path, xs)[0] != expected[0]).any()
    assert len(list(tmp_path.iterdir())) == 3


def test_features_used_longest_ago_go_first_when_there_is_no_room(tmp_path, monkeypatch):
    many = [images(count) for count in (2, 3, 4)]
    features_of(tmp_path, many[0])
    (first,) = tmp_path.iterdir()
    features_of(tmp_path, many[1])
    (second,) = set(tmp_path.iterdir()) - {first}
    os.utime(second, ns=(1, 1))
    features_of(tmp_path, many[0])  # used again
    monkeypatch.setattr(_cache, "MOST_FEATURES", first.stat().st_size + second.stat().st_size + 99)
    features_of(tmp_path, many[2])
    assert first.exists() and not second.exists() and len(list(tmp_path.iterdir())) == 2


def test_features_that_are_not_finite_are_refused(tmp_path):
    with pytest.raises(ls.InputError, match="NaN or infinite"):
        features_of(tmp_path, images(3), np.nan)


@pytest.mark.slow
def test_a_view_of_features_draws_the_same_examples():
    data = ls.data.Labelled.from_arrays(images(60), np.arange(60) % 3)
    first, second = data.halves()
    tasks = ls.tasks.SameClasses(first, first, second, ways=3, shots=2, queries=3)
    means = (dataclasses.replace(p, x=p.x.mean((1, 2), dtype=np.float32)) for p in data.halves())
    view = frozen.WithFeatures(*map(Classes, means))
    raw = tasks.with_shots(2, 3).sample(ls.Split.TEST, key=jr.key(1))
    seen = view(tasks).with_shots(2, 3).sample(ls.Split.TEST, key=jr.key(1))
    np.testing.assert_allclose(seen.query.x, 255 * raw.query.x.mean((1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(seen.query.y, raw.query.y)


def test_halves_share_no_example_and_have_all_of_them():
    x = np.arange(31, dtype=np.float32)[:, None]
    data = ls.data.Labelled.from_arrays(x, np.arange(31) % 3)
    first, second = data.halves(seed=4)
    assert sorted([*first.x[:, 0], *second.x[:, 0]]) == list(range(31))
    for half in (first, second):
        assert (half.x[:, 0].astype(int) % 3 == half.labels).all()


def test_images_by_class_are_those_of_the_whole_folder(tmp_path):
    for number, image in enumerate(images(12)):
        folder = tmp_path / f"c{number % 3}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(image if number % 2 else image[..., 0]).save(folder / f"{number}.png")
    (tmp_path / "c1" / "broken.png").write_bytes(b"no image")
    (tmp_path / "c1" / "text.txt").write_text("no image")
    whole = ls.data.from_folder(tmp_path, size=6, channels=3)
    parts = [
        (name, read())
        for name, _, read in ls.data.images_by_class(tmp_path, size=6, ranges=whole.ranges)
    ]
    assert tuple(name for name, _ in parts) == whole.names
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), whole.x)
