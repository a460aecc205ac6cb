"""Images that stay on the disk: the same images, tasks and training as from memory."""

import pickle

import equinox as eqx
import jax.random as jr
import numpy as np
import optax
import pytest
from PIL import Image

import learnset as ls
from learnset import InputError
from learnset.data import _folder
from learnset.training import digest

SIZE = 4  # pixels of a side


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "learnset" / "images"


@pytest.fixture
def pictures(tmp_path):
    """Nine classes of three, one of which is broken in the middle; one has colour, one is deep."""
    random = np.random.default_rng(0)
    for i in range(9):
        folder = tmp_path / "pictures" / f"class-{i}"
        folder.mkdir(parents=True)
        for j in range(4):
            x = random.integers(0, 256, (SIZE, SIZE, 3) if i == 4 else (SIZE, SIZE), np.uint8)
            x = x.astype(np.uint16) * 8 if (i, j) == (2, 1) else x
            Image.fromarray(x).save(folder / f"{j}.png")
    (tmp_path / "pictures" / "class-5" / "1.png").write_bytes(b"no picture")
    return tmp_path / "pictures"


def read(pictures, memory_bytes: int | None = 0, **options):
    return ls.from_folder(pictures, size=SIZE, memory_bytes=memory_bytes, **options)


def refuse(*_):
    raise AssertionError("an image was decoded again")


def test_images_on_the_disk_are_those_in_memory(pictures, cache, monkeypatch):
    inside, outside = read(pictures, None), read(pictures)
    assert type(read(pictures, 36 * SIZE * SIZE * 3).x) is np.ndarray  # as many as all may take
    assert type(outside.x) is ls.data.Packed and outside.x.shape == inside.x.shape
    assert np.array_equal(outside.x, inside.x) and outside.x.nbytes == inside.x.nbytes
    about = [(c.names, c.groups, c.skipped, c.ranges, c.sizes.tolist()) for c in (inside, outside)]
    assert about[0] == about[1] and "1 broken images: class-5/1.png." in about[0][2]
    parts = zip(outside.split((3, 3, 3)), inside.split((3, 3, 3)), strict=True)
    assert all(type(a.x) is ls.data.Packed and np.array_equal(a.x, b.x) for a, b in parts)
    (file,) = cache.iterdir()
    assert file.stat().st_size > outside.x.nbytes
    monkeypatch.setattr(_folder, "picture", refuse)
    again = read(pictures)
    assert np.array_equal(again.x, inside.x) and again.ranges == inside.ranges
    assert again.skipped == inside.skipped


def test_a_folder_that_changed_is_read_anew(pictures, cache):
    before = read(pictures, channels=1)
    file = pictures / "class-3" / "2.png"
    file.write_bytes((pictures / "class-3" / "1.png").read_bytes())
    after = read(pictures, channels=1)
    changed = np.flatnonzero((np.asarray(before.x) != np.asarray(after.x)).any(axis=(1, 2, 3)))
    assert changed.tolist() == [3 * 4 + 2] and len(list(cache.iterdir())) == 2
    assert any("twice in their class" in line for line in after.skipped)
    assert read(pictures, channels=3).x.shape[-1] == 3 and len(list(cache.iterdir())) == 3


def test_a_file_that_is_not_whole_is_made_anew(pictures, cache):
    x = np.asarray(read(pictures).x)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:-1], whole[1:], whole[: len(x)], whole[:-60] + b"x" + whole[-59:]):
        file.write_bytes(damaged)
        assert np.array_equal(read(pictures).x, x) and file.read_bytes() == whole


def test_a_damaged_row_is_found_when_it_is_read(pictures, cache):
    images = read(pictures)
    (file,) = cache.iterdir()
    content = bytearray(file.read_bytes())
    content[17 * SIZE * SIZE * 3 + 5] ^= 1
    file.write_bytes(content)
    assert np.asarray(images.x[np.array([16, 18, 16])]).shape == (3, SIZE, SIZE, 3)
    with pytest.raises(InputError, match=r"\.rows is damaged at image 17\. Delete it: the next"):
        np.asarray(images.x[15:20])
    file.unlink()
    with pytest.raises(InputError, match="cannot be read: No such file or directory. Delete"):
        np.asarray(images.x)


def test_a_copy_in_another_process_reads_the_same_and_is_the_same(pictures):
    x = read(pictures).x
    copy = pickle.loads(pickle.dumps(x[3:5]))
    assert np.array_equal(copy, x[3:5]) and digest(copy) == digest(x[3:5]) != digest(x[4:6])


def train(parts, steps, **options):
    tasks = ls.Episodes(*parts, ways=2, shots=1, queries=1)
    net = ls.MLP(SIZE * SIZE * 3, 2, width=8, depth=1, key=jr.key(1))
    model = ls.models.Headed(ls.models.Raw(), net)
    options |= {"steps": steps, "tasks_per_step": 3, "log_every": 2, "progress": False}
    run = ls.train(
        ls.Pooled(ls.cross_entropy), model, tasks, optax.adam(1e-2), **options, key=jr.key(2)
    )
    return run.model, run.metrics


@pytest.mark.slow
def test_training_from_the_disk_is_that_from_memory_and_goes_on_bit_for_bit(
    pictures, cache, tmp_path, monkeypatch
):
    monkeypatch.setattr("learnset.training._loop.DRAWN_AHEAD", 4)
    inside, outside = (read(pictures, limit).split((3, 3, 3)) for limit in (None, 0))
    whole = train(inside, 7)
    assert bool(eqx.tree_equal(train(outside, 7), whole))
    run = {"out": tmp_path / "run", "resume": True, "checkpoint_every": 3}
    train(outside, 5, **run)  # stops within a window, and within the tasks that are drawn at once
    assert bool(eqx.tree_equal(train(outside, 7, **run)[0], whole[0]))
    (file,) = cache.iterdir()
    content = file.read_bytes()
    file.write_bytes(bytes(len(content) // 2) + content[len(content) // 2 :])
    with pytest.raises(InputError, match=r"\.rows is damaged at image \d+\. Delete it"):
        train(outside, 7)
