"""Examples that stay on the host give the same tasks as those on the device."""

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.comparison import Accuracy, NewTasks
from learnset.data import Early
from learnset.data._streamed import OnHost
from learnset.recipes.classes import standard

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 1), np.uint8)
PARTS = ls.data.Labelled.from_arrays(IMAGES, np.repeat(np.arange(10), 6)).split((4, 3, 3))
SETTINGS = {"ways": 2, "shots": 1, "queries": 2}
ON_DEVICE = ls.Episodes(*PARTS, **SETTINGS)
STREAMED = ls.Episodes(*map(ls.data.Streamed, PARTS), **SETTINGS)


@eqx.filter_jit
def drawn(tasks, split):
    return tasks.draw(7, split, key=jr.key(0))


@pytest.mark.slow
@pytest.mark.parametrize("split", (ls.Split.TRAIN, ls.Split.TEST))
def test_tasks_are_the_same_bit_for_bit(split):
    assert bool(eqx.tree_equal(drawn(STREAMED, split), drawn(ON_DEVICE, split)))


def test_the_shape_of_examples_is_known_wherever_they_are():
    assert STREAMED.train.x.shape == ON_DEVICE.train.x.shape
    assert STREAMED.train.x.dtype == ON_DEVICE.train.x.dtype


def test_rows_may_be_in_a_file(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    rows = jax.random.randint(jr.key(0), (3, 50), 0, 60)
    file = OnHost(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert np.array_equal(jax.jit(lambda rows: file[rows])(rows), IMAGES[np.asarray(rows)])


def test_rows_are_read_once_early_or_when_they_are_asked_for(monkeypatch):
    read, times = OnHost.read, []
    monkeypatch.setattr(OnHost, "read", lambda self, rows: (times.append(1), read(self, rows))[1])
    array, rows = STREAMED.train.x, np.arange(12).reshape(4, 3)
    with Early(STREAMED) as early:
        for number in (0, 1):
            assert early.wait(number)  # the program has asked for the rows before
            early.read(array, rows[number])
            assert len(times) == number + 1
            assert np.array_equal(array.fetch(rows[number]), array.array[rows[number]])
            assert len(times) == number + 1 and not early.rows
        array.fetch(rows[2])  # nobody has read it
        assert early.wait(2) and len(times) == 3
        early.read(array, rows[2])  # too late
        assert len(times) == 3 and not early.rows
        early.stop()
        assert not early.wait(10)
    assert array.early is None


def test_the_host_is_asked_once_for_a_batch_of_tasks(monkeypatch):
    asked = []
    fetch = OnHost.fetch
    monkeypatch.setattr(
        OnHost, "fetch", lambda self, rows: (asked.append(rows.size), fetch(self, rows))[1]
    )
    tasks = ls.Episodes(*map(ls.data.Streamed, PARTS), **SETTINGS)
    jax.block_until_ready(drawn(tasks, ls.Split.TRAIN))
    assert asked == [7 * 6]


def test_a_program_never_reads_the_array_of_another():
    inverted = ls.data.Labelled.from_arrays(255 - IMAGES, np.repeat(np.arange(10), 6))
    others = inverted.split((4, 3, 3))
    task = drawn(ls.Episodes(*map(ls.data.Streamed, others), **SETTINGS), ls.Split.TEST)
    assert np.allclose(task.support.x, 1 - drawn(STREAMED, ls.Split.TEST).support.x)


BYTES = 60 * 16  # of all images


def test_a_limit_decides_what_stays_on_the_host():
    def kinds(limit):
        return {type(part) for part in ls.data.on_device(*PARTS, device_bytes=limit)}

    assert kinds(BYTES) == {ls.data.Classes} and kinds(BYTES - 1) == {ls.data.Streamed}
    assert type(ls.data.on_device(STREAMED.train)[0]) is ls.data.Streamed  # it stays where it is
    with pytest.raises(ls.InputError, match="device_bytes=-1"):
        ls.data.on_device(*PARTS, device_bytes=-1)


def test_episodes_of_more_bytes_than_the_limit_are_streamed_and_the_same():
    within, above = (
        ls.Episodes(*PARTS, **SETTINGS, device_bytes=limit) for limit in (BYTES, BYTES - 1)
    )
    assert type(within.train) is ls.data.Classes
    assert type(above.with_shots(2).train) is ls.data.Streamed
    assert within.notes == () and above.notes == (
        "60 examples, 960 bytes, stay on the host, and tasks are streamed from it.",
    )
    assert bool(eqx.tree_equal(drawn(above, ls.Split.TEST), drawn(within, ls.Split.TEST)))


@pytest.mark.slow
def test_variable_episodes_of_more_bytes_than_the_limit_are_streamed_and_the_same():
    sizes = {"min_ways": 2, "max_ways": 3, "max_support": 4}
    within, above = (
        ls.tasks.VariableEpisodes(*PARTS, **sizes, device_bytes=limit)
        for limit in (BYTES, BYTES - 1)
    )
    assert type(above.test) is ls.data.Streamed
    assert bool(eqx.tree_equal(drawn(above, ls.Split.TEST), drawn(within, ls.Split.TEST)))


@pytest.mark.long
@pytest.mark.slow
def test_a_comparison_of_streamed_tasks_is_the_same():
    """Seeds are trained together on one array; pretraining takes all classes as one task."""
    chosen = [recipe for recipe in standard(4) if recipe.name == "SimpleShot"]
    budget = ls.Budget(steps=2, tasks_per_step=2)
    few = {"seeds": 2, "shots": (1,), "queries": 2, "validation_tasks": 2, "test_tasks": 3}

    def network(key):
        return ls.models.Headed(ls.models.Raw(), ls.MLP(16, 2, width=8, depth=1, key=key).layers[0])

    def accuracy(tasks):
        question = NewTasks(tasks, Accuracy(), **few)
        options = {"key": jr.key(0), "budget": budget, "progress": False}
        return ls.compare(chosen, network, question, **options)["SimpleShot"].of_tasks

    assert np.array_equal(accuracy(STREAMED), accuracy(ON_DEVICE))
