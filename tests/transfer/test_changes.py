"""Changes of a model: LoRA, (IA)³ and bottleneck adapters; merged, kept and served."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from conftest import assert_close

import learnset as ls
from learnset.models import Change, change_between
from learnset.training import load_change, save_change
from learnset.transfer import BottleneckAdapter, IA3, LoRA, moved


class Attention(eqx.Module):
    """A little of everything: attention, a convolution and a head, in a framework of others."""

    attention: eqx.nn.MultiheadAttention
    convolution: eqx.nn.Conv1d
    head: eqx.nn.Linear

    def __call__(self, x):
        x = self.attention(x, x, x)
        return self.head(self.convolution(x.T).mean(1))


def attention():
    return Attention(
        eqx.nn.MultiheadAttention(2, 4, key=jr.key(0)),
        eqx.nn.Conv1d(4, 6, 3, key=jr.key(1)),
        eqx.nn.Linear(6, 2, key=jr.key(2)),
    )


MODELS = {
    "mlp of Equinox": (lambda: eqx.nn.MLP(3, 2, 4, 1, key=jr.key(0)), (3,)),
    "convolutions": (
        lambda: ls.models.classifier(
            ls.Conv4((8, 8, 1), filters=2, blocks=2, key=jr.key(0)), 2, key=jr.key(1)
        ),
        (8, 8, 1),
    ),
    "attention": (attention, (5, 4)),
}
KINDS = {
    "LoRA": LoRA(ls.mse, 0.1, 2, rank=1),
    "DoRA": LoRA(ls.mse, 0.1, 2, rank=1, dora=True, root=True),
    "IA3": IA3(ls.mse, 0.1, 2),
    "bottlenecks": BottleneckAdapter(ls.mse, 0.1, 2, size=2),
}


@pytest.fixture(scope="module", params=MODELS)
def base_and_support(request):
    make, shape = MODELS[request.param]
    return make(), ls.Batch(jr.normal(jr.key(5), (4, *shape)), jnp.ones((4, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_none_at_its_start_is_kept_and_knows_its_base(kind, base_and_support, tmp_path):
    base, support = base_and_support
    adapter = KINDS[kind]
    start = adapter.start(base, support.x[0])
    xs = support.x
    assert_close(ls.predict(start.merged(base), xs), ls.predict(base, xs), atol=1e-6)
    change = eqx.filter_jit(adapter.learn)(base, support)
    merged = change.merged(base)
    assert jnp.abs(ls.predict(merged, xs) - ls.predict(base, xs)).max() > 1e-4
    save_change(tmp_path / "change", change, base)
    assert_close(load_change(tmp_path / "change", base).merged(base), merged, atol=0)
    other = jax.tree.map(lambda leaf: leaf + 1 if eqx.is_inexact_array(leaf) else leaf, base)
    with pytest.raises(ls.InputError, match="is a change of another model than this") as error:
        load_change(tmp_path / "change", other)
    assert "\n" not in str(error.value)


def test_merged_equals_unmerged():
    """The sum of two products is the product of the sum, to rounding."""
    base, x = eqx.nn.Linear(6, 5, key=jr.key(0)), jr.normal(jr.key(1), (6,))
    change = LoRA(rank=2).start(base, x)
    change = jax.tree.map(lambda leaf: leaf + 0.3, change)
    part = change.parts[".weight"]
    unmerged = base(x) + part.scale * (part.left @ (part.right @ x))
    assert_close(change.merged(base)(x), unmerged, atol=1e-6)


def test_lora_of_full_rank_reaches_the_optimum_of_full_fine_tuning():
    with jax.enable_x64(True):
        x, y = jr.normal(jr.key(0), (12, 3)), jr.normal(jr.key(1), (12, 2))
        base, support = eqx.nn.Linear(3, 2, use_bias=False, key=jr.key(2)), ls.Batch(x, y)
        base = jax.tree.map(lambda leaf: leaf.astype(float), base)
        best = jnp.linalg.lstsq(x, y)[0].T
        errors = [
            float(jnp.abs(eqx.filter_jit(adapter.adapt)(base, support).weight - best).max())
            for adapter in (
                ls.FineTune(lr=0.3, steps=4000),
                LoRA(lr=0.3, steps=4000, rank=2, alpha=2.0),
                LoRA(lr=0.3, steps=4000, rank=1, alpha=1.0),
            )
        ]
    assert max(errors[:2]) < 1e-6 < 1e-2 < errors[2]


def test_all_but_the_change_and_the_head_stands_still_after_100_steps_of_adamw():
    base = ls.MLP(2, 2, width=3, depth=1, key=jr.key(0))
    support = ls.Batch(jr.normal(jr.key(1), (4, 2)), jnp.ones((4, 2)))
    adapted = LoRA(ls.mse, 0.01, 100, optimiser=optax.adamw, rank=1).adapt(base, support)
    assert moved(base, adapted).still == (".layers[0].bias",)
    alone = LoRA(ls.mse, 0.01, 3, also=lambda model: (), where=lambda m: m.layers)
    assert moved(base, alone.adapt(base, support)).moved == (".layers[0].weight",)


def test_settings_may_be_traced_as_a_comparison_does():
    base, support = (
        ls.MLP(2, 1, width=3, depth=1, key=jr.key(0)),
        ls.Batch(jnp.eye(2), jnp.ones((2, 1))),
    )
    adapter = LoRA(ls.mse, 0.1, 2)
    learn = eqx.filter_jit(lambda adapter: adapter.adapt(base, support))
    assert_close(learn(ls.core._tree.traced(adapter)), adapter.adapt(base, support), atol=1e-6)


def test_several_changes_of_one_base_are_served_at_once():
    base, x = eqx.nn.MLP(3, 2, 4, 1, key=jr.key(0)), jr.normal(jr.key(1), (3,))
    changes = [LoRA(rank=1, seed=seed).start(base, x) for seed in range(3)]
    changes = [jax.tree.map(lambda leaf: leaf + 0.1, change) for change in changes]
    serve = eqx.filter_vmap(lambda change, x: change.merged(base)(x), in_axes=(0, None))
    answers = serve(ls.core.stack(changes), x)
    assert_close(answers, jnp.stack([c.merged(base)(x) for c in changes]), atol=1e-6)


def test_a_change_takes_a_few_kilobytes_where_the_model_takes_many(tmp_path):
    base = ls.MLP(64, 10, width=512, depth=2, key=jr.key(0))
    change = LoRA(rank=1, also=lambda model: ()).start(base, jnp.ones(64))
    save_change(tmp_path / "change", change, base)
    assert (tmp_path / "change").stat().st_size < 16_000 < ls.core._tree.nbytes(base) / 60


def test_a_damaged_change_and_one_of_another_structure_are_errors(tmp_path):
    base = ls.MLP(1, 1, width=3, key=jr.key(0))
    change = change_between(base, ls.MLP(1, 1, width=3, key=jr.key(1)))
    save_change(tmp_path / "change", change, base)
    content = (tmp_path / "change").read_bytes()
    (tmp_path / "change").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ls.InputError, match="is damaged"):
        load_change(tmp_path / "change", base)
    with pytest.raises(ls.InputError, match=r"change is of \.layers\[0\]\.weight, which Linear"):
        change.merged(eqx.nn.Linear(1, 1, key=jr.key(0)))


def test_parameters_outside_of_layers_get_low_rank_but_no_bottleneck():
    model = ls.models.Function(lambda p, x: p["w"] @ x, {"w": jnp.ones((2, 3))})
    assert list(LoRA(rank=1).start(model, jnp.ones(3)).parts) == [".params['w']"]
    with pytest.raises(ls.InputError, match="lies in no layer that can be called"):
        BottleneckAdapter().start(model, jnp.ones(3))


def test_a_change_between_models_is_of_what_differs():
    base = ls.MLP(1, 1, width=3, depth=1, key=jr.key(0))
    tuned = eqx.tree_at(lambda m: m.head.bias, base, jnp.ones(1))
    change = change_between(base, tuned)
    assert isinstance(change, Change) and list(change.parts) == [".head.bias"]
    assert eqx.tree_equal(change.merged(base), tuned)
    assert np.asarray(change.parts[".head.bias"].value).tolist() == [1.0]
