"""Recipes that several processes share: the numbers of one process, also when one is killed."""

import contextlib
import os
import pickle
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.comparison import ByGradient, dask_workers, Workers
from learnset.comparison._sent import Sent
from learnset.comparison._work import units_of
from learnset.comparison._workers import as_done
from learnset.core import WorkerLostError

QUESTION = ls.NewTasks(ls.Sinusoids(shots=3, queries=3), seeds=2, shots=(3,), test_tasks=5)
BUDGET = ls.Budget(steps=12, tasks_per_step=2)


class Deadly(eqx.Module):
    """A score that kills its process at its second call, once; each call is noted in a file."""

    notes: Path

    def __call__(self, model):
        with self.notes.open("a") as file:
            file.write("called\n")
        if self.notes.read_text().count("\n") == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.zeros(2)


class Wrong(eqx.Module):
    """A model that cannot be made."""

    def __call__(self, model, key):
        raise KeyError("no such layer")


def network(key):
    return ls.MLP(1, 1, width=4, activation=lambda x: jax.nn.relu(x), key=key)


def trained(name, **options):
    learner = ByGradient(ls.Pooled(ls.mse), **options)
    return ls.Recipe(name, ls.Setting.TRANSFER, (learner,), (ls.FineTune(ls.mse, steps=2),))


def recipes(notes):
    scored = trained("pooled", score=Deadly(notes), score_at=(4, 8))
    adapters = tuple(ls.FineTune(ls.mse, lr=lr, steps=2) for lr in (0.01, 0.1))
    return [ls.Recipe("scratch", ls.Setting.SCRATCH, adapters=adapters), scored]


def compared(recipes, **options):
    options |= {"key": jr.key(3), "budget": BUDGET, "progress": False}
    return ls.compare(recipes, network, QUESTION, **options)


def same(one, other):
    assert [o.name for o in one] == [o.name for o in other]
    for a, b in zip(one, other, strict=True):
        assert a.chosen == b.chosen
        assert (a.of_tasks == b.of_tasks).all()
        arrays = [jax.tree.leaves(eqx.filter(o.models, eqx.is_array)) for o in (a, b)]
        assert all((x == y).all() for x, y in zip(*arrays, strict=True))


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    notes = tmp_path_factory.mktemp("serial") / "notes"
    notes.write_text("called\n" * 5)  # it has killed before
    return compared(recipes(notes))


@contextlib.contextmanager
def dask():
    """A scheduler and two workers on this machine."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(host="127.0.0.1", worker_dashboard_address=None, **options) as c:
        with dask_workers(c.scheduler_address) as executor:
            yield executor


EXECUTORS = (
    pytest.param(lambda: Workers(2), id="workers"),
    pytest.param(dask, id="dask", marks=pytest.mark.long),
)


@pytest.fixture(scope="module", params=EXECUTORS)
def executor(request):
    with request.param() as executor:
        yield executor


@pytest.mark.long
@pytest.mark.slow
def test_a_killed_worker_changes_no_number(executor, serial, tmp_path):
    notes, out = tmp_path / "notes", tmp_path / "run"
    there = compared(recipes(notes), executor=executor, out=out, checkpoint_every=2)
    same(there, serial)
    # Steps 4 and 8; then, from the checkpoint of step 6, step 8 alone.
    assert notes.read_text().count("\n") == 3
    same(compared(recipes(notes), out=out, checkpoint_every=2, resume=True), serial)


@pytest.mark.slow
def test_an_error_in_a_worker_names_its_recipe(executor):
    failing = ls.Recipe("broken", ls.Setting.BOUND, (ls.comparison.NothingLearnt(Wrong()),))
    with pytest.raises(KeyError, match="no such layer") as error:
        compared([failing], executor=executor)
    assert "Recipe: broken" in error.value.__notes__


@pytest.mark.slow
def test_threads_share_what_is_learnt(serial, tmp_path):
    notes = tmp_path / "notes"
    notes.write_text("called\n" * 5)
    with ThreadPoolExecutor(2) as threads:
        experience = ls.comparison.learn(
            network, QUESTION, key=jr.key(3), budget=BUDGET, out=tmp_path / "run", executor=threads
        )
        same(experience.ask(QUESTION, recipes(notes)), serial)
    assert [recipe.name for recipe, _ in experience.kept] == ["pooled"]


def test_recipes_with_one_training_are_one_unit():
    first, second = trained("first"), trained("second", lr=0.1)
    further = ls.Recipe("further", ls.Setting.TRANSFER, start=trained("another"))
    units = units_of([second, first, ls.Recipe("scratch", ls.Setting.SCRATCH), further])
    names = [[recipe.name for recipe in unit] for unit in units]
    assert names == [["second"], ["scratch"], ["first", "further"]]


def test_keys_and_functions_without_a_name_are_sent():
    keys, shift = jr.split(jr.key(7), 3), jnp.ones(2)
    sent = Sent((keys, lambda x: x + shift, jax.nn.relu))
    there, plus, relu = pickle.loads(pickle.dumps(sent)).value
    assert (jr.key_data(there) == jr.key_data(keys)).all() and there.dtype == keys.dtype
    assert plus(shift).tolist() == [2.0, 2.0] and relu is jax.nn.relu


def test_a_worker_with_other_versions_is_refused(monkeypatch):
    content = pickle.dumps(Sent(1))
    there = {name: "0" for name in ls.core.versions()}
    monkeypatch.setattr("learnset.comparison._sent.versions", lambda: there)
    with pytest.raises(ls.InputError, match="A worker has learnset 0"):
        pickle.loads(content)


def test_more_processes_than_cores_are_refused():
    with pytest.raises(ls.InputError, match="the cores of this machine"):
        Workers(10_000)


def test_a_scheduler_that_is_not_there_is_one_line():
    pytest.importorskip("distributed")
    with pytest.raises(ls.InputError, match="No Dask scheduler answers"):
        with dask_workers("nowhere"):
            pass


@pytest.mark.long
def test_a_process_that_is_always_killed_is_given_up(monkeypatch):
    monkeypatch.setattr("learnset.comparison._workers.ATTEMPTS", 1)
    with Workers(1) as workers, pytest.raises(WorkerLostError, match="killed 1 times"):
        workers.submit(os._exit, 1).result()


def test_what_nobody_waits_for_is_cancelled():
    ended = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(time.sleep, 0.1)
        second, third = threads.submit(ended.wait), threads.submit(int)
        done = as_done([first, second, third])
        assert next(done) is first
        done.close()
        ended.set()
    assert third.cancelled() and not second.cancelled()
