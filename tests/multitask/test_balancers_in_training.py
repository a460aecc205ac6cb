"""Balancers in `train`: their state is saved with the run, and a run that was cut continues bit for
bit."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
import pytest

import learnset as ls

pytestmark = pytest.mark.slow

NUM = 5
TASKS = ls.FiniteTasks.from_family(ls.Sinusoids(), num_tasks=NUM, points=20, key=jr.key(0))
MODEL = ls.MLP(1, 1, width=4, depth=1, activation=jnp.tanh, key=jr.key(1))
ADAM = optax.adam(1e-2)

STATELESS = {
    "sum": ls.multitask.Sum(),
    "fixed weights": ls.multitask.FixedWeights(weights=jnp.ones(NUM)),
    "gls": ls.multitask.GLS(),
    "rlw": ls.multitask.RLW(),
    "cosmos": ls.multitask.COSMOS(),
    "pbi": ls.multitask.PBI(),
    "graddrop": ls.multitask.GradDrop(),
    "trimmed mean": ls.multitask.TrimmedMean(),
}
STATEFUL = {
    "uw": ls.UW(num_tasks=NUM),
    "imtl-l": ls.multitask.IMTLL(num_tasks=NUM),
    "dwa": ls.multitask.DWA(num_tasks=NUM, window=1),
    "stch": ls.multitask.STCH(num_tasks=NUM, warmup=1, window=1),
    "famo": ls.FAMO(num_tasks=NUM),
    "gradnorm": ls.GradNorm(num_tasks=NUM),
    "moco": ls.multitask.MoCo(num_tasks=NUM),
    "db-mtl": ls.multitask.DBMTL(num_tasks=NUM),
    "excessmtl": ls.multitask.ExcessMTL(num_tasks=NUM),
    "metabalance": ls.multitask.MetaBalance(num_tasks=NUM),
    "auto-lambda": ls.multitask.AutoLambda(num_tasks=NUM),
    "moml": ls.multitask.MOML(num_tasks=NUM),
    "forum": ls.multitask.FORUM(num_tasks=NUM, inner_lr=0.02),
}


class Models(eqx.Module):
    """A model for each method."""

    of: dict[str, ls.MLP]


class SideBySide(ls.AbstractMethod):
    """Several methods in one program, each with its own model: nearly all the time of these tests
    is compilation."""

    methods: dict[str, ls.AbstractMethod]

    def init(self, model):
        return {name: method.init(model.of[name]) for name, method in self.methods.items()}

    def gradient(self, model, tasks, state, *, key):
        grads, states, losses = {}, {}, {}
        for name, method in self.methods.items():
            result = method.gradient(model.of[name], tasks, state[name], key=key)
            grads[name], states[name], losses[name] = result[0], result[1], result[2]["loss"]
        return Models(grads), states, losses | {"loss": sum(losses.values())}


ALL = SideBySide(STATELESS | STATEFUL)
MODELS = Models({name: MODEL for name in ALL.methods})


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def train(method, model, **options):
    settings = {"steps": 4, "key": jr.key(2), "tasks_per_step": 3, "log_every": 2}
    return ls.train(method, model, TASKS, ADAM, **settings | options)


@pytest.fixture(scope="module")
def uncut():
    return train(ALL, MODELS)


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "cut"
    train(ALL, MODELS, steps=2, out=folder)
    return train(ALL, MODELS, out=folder, resume=True)


@pytest.mark.parametrize("name", ALL.methods)
def test_a_balancer_trains(name, uncut):
    assert jnp.isfinite(uncut.metrics[name]).all()
    assert not eqx.tree_equal(uncut.model.of[name], MODEL)


@pytest.mark.parametrize("name", STATELESS)
def test_a_balancer_without_state_has_none(name, uncut):
    assert uncut.state[name] is None


@pytest.mark.long
@pytest.mark.parametrize("name", STATEFUL)
def test_a_run_that_was_cut_continues_from_its_state(name, uncut, resumed):
    whole, continued = ((run.model.of[name], run.state[name]) for run in (uncut, resumed))
    assert eqx.tree_equal(continued, whole)
    assert not eqx.tree_equal(uncut.state[name], STATEFUL[name].init(MODEL))


@pytest.mark.slow
def test_two_seeds_at_once_are_one_after_the_other():
    keys = jr.split(jr.key(3), 2)
    method, options = STATEFUL["famo"], {"steps": 2}
    mapped = eqx.filter_vmap(lambda key: train(method, MODEL, key=key, **options))(keys)
    for i in range(2):
        alone = train(method, MODEL, key=keys[i], **options)
        leaves = (jax.tree.leaves(eqx.filter(r.model, eqx.is_array)) for r in (mapped, alone))
        for a, b in zip(*leaves, strict=True):
            assert jnp.allclose(a[i], b, rtol=1e-3, atol=1e-5)


def test_a_task_without_a_number_stops_the_training_of_a_balancer_with_state():
    with pytest.raises(ls.DivergedError):
        ls.train(ls.UW(num_tasks=NUM), MODEL, ls.Sinusoids(), ADAM, steps=2, key=jr.key(2))
