"""Networks for images: all forms of a convolution agree, and normalisation shares only what it
says."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from conftest import assert_close

import learnset as ls
from learnset.core._predict import settled
from learnset.models._by_weights import by_weights
from learnset.models._convolution import by_lax, by_product, by_row_products, max_pool
from learnset.models._normalisation import moments


@pytest.mark.parametrize(
    "kernel, stride, height, width", [(3, 1, 7, 6), (3, 2, 7, 6), (3, 2, 6, 7), (1, 1, 5, 5)]
)
def test_a_convolution_by_product_is_that_of_lax_with_its_gradients(
    getkey, kernel, stride, height, width
):
    x = jr.normal(getkey(), (2, height, width, 3))
    weight = jr.normal(getkey(), (kernel, kernel, 3, 4))
    cotangent = jr.normal(getkey(), by_lax(x, weight, stride).shape)

    @jax.jit
    def both(x, weight):
        forms = [
            jax.vjp(lambda x, w, form=form: form(x, w, stride), x, weight)
            for form in (by_product, by_lax)
        ]
        return [(value, pull_back(cotangent)) for value, pull_back in forms]

    product, plain = both(x, weight)
    assert_close(product, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel, height, width", [(3, 7, 6), (5, 6, 7), (1, 5, 5), (3, 1, 2)])
def test_a_convolution_by_row_products_is_that_of_lax_with_its_first_and_second_gradients(
    getkey, kernel, height, width
):
    """With different weights for each of two tasks."""
    x = jr.normal(getkey(), (2, 3, height, width, 3))
    weight = jr.normal(getkey(), (2, kernel, kernel, 3, 4)) / (3 * kernel)

    def derivatives(form):
        def value(x, weight):
            return jnp.sin(jax.vmap(form)(x, weight)).sum()

        gradient = jax.value_and_grad(value, (0, 1))
        second = jax.grad(lambda x, weight: gradient(x, weight)[1][0].sum(), (0, 1))
        return gradient(x, weight), second(x, weight)

    @jax.jit
    def both():
        return derivatives(by_row_products), derivatives(lambda x, w: by_lax(x, w, 1))

    assert_close(*both(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel, stride", [(3, 2), (3, 1), (1, 1)])
def test_a_convolution_by_weights_is_that_of_lax_after_a_step_of_each_task(getkey, kernel, stride):
    """Weights are shared in the step and differ after it, as in MAML: all derivatives of both."""
    x = jr.normal(getkey(), (2, 3, 5, 4, 2))
    weight = jr.normal(getkey(), (kernel, kernel, 2, 2)) / kernel

    def loss(form, weight, x):
        return jnp.sin(form(form(x, weight, stride), weight, 1)).sum()

    def after(form, weight, x):
        return loss(form, weight - 0.1 * jax.grad(loss, 1)(form, weight, x), 2 * x)

    def derivatives(form):
        def total(weight, x):
            return jax.vmap(lambda x: after(form, weight, x))(x).sum()

        forward = jax.jvp(lambda weight: total(weight, x), (weight,), (jnp.cos(weight),))
        return jax.grad(total, (0, 1))(weight, x), forward

    def chosen(x, weight, stride):
        return by_weights(x, weight, stride, by_lax, by_product)

    assert_close(jax.jit(lambda: derivatives(chosen))(), derivatives(by_lax), rtol=1e-3, atol=1e-4)


def test_only_weights_that_differ_make_a_convolution_a_product(getkey):
    x, weight = jr.normal(getkey(), (2, 3, 5, 4, 2)), jr.normal(getkey(), (2, 3, 3, 2, 2))

    def forms(axes, weight, x):
        def squared(weight, x):
            return (by_weights(x, weight, 1, by_lax, by_product) ** 2).sum()

        def total(weight, x):
            return jax.vmap(squared, axes)(weight, x).sum()

        text = jax.jit(jax.grad(total, (0, 1))).lower(weight, x).as_text()
        return text.count("stablehlo.convolution"), text.count("stablehlo.dot_general")

    assert forms((None, 0), weight[0], x) == (3, 0)
    assert forms((0, 0), weight, x) == (0, 3)
    assert forms((0, None), weight, x[0]) == (0, 3)


@pytest.mark.slow
def test_training_with_pooled_convolutions_stays_finite_whatever_is_computed_twice():
    """XLA without optimisation computes the pooled values again, to the last bit differently."""
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (150, 28, 28, 1), np.uint8)
    classes = ls.data.Labelled.from_arrays(pictures, np.repeat(np.arange(15), 10)).split((5, 5, 5))
    model = ls.models.classifier(ls.Conv4((28, 28, 1), filters=4, key=jr.key(3)), 5, key=jr.key(4))
    tasks, adam = ls.Episodes(*classes, 5, 1, 5), optax.adam(1e-3)
    run = {"steps": 5, "key": jr.key(1), "tasks_per_step": 4, "progress": False}
    assert np.isfinite(ls.train(ls.ProtoNet(), model, tasks, adam, **run).metrics["loss"]).all()


@pytest.mark.parametrize("largest", range(4))
def test_the_gradient_of_max_pooling_goes_to_the_largest_pixel_and_nan_stays(largest):
    x = jnp.zeros(4).at[largest].set(1.0).reshape(1, 2, 2, 1)
    gradient = jax.grad(lambda x: max_pool(x).sum())(x)
    assert gradient.reshape(-1).tolist() == x.reshape(-1).tolist()
    assert jnp.isnan(max_pool(jnp.where(x == 1, jnp.nan, x))).all()
    alike = jax.grad(lambda x: max_pool(x).sum())(jnp.ones((1, 2, 2, 1)))
    assert sorted(alike.reshape(-1).tolist()) == [0, 0, 0, 1]  # as in PyTorch


def test_max_pooling_leaves_out_an_odd_last_row():
    x = jnp.arange(15.0).reshape(1, 5, 3, 1)
    assert max_pool(x)[0, :, :, 0].tolist() == [[4.0], [10.0]]


def encoder(name, normalisation, key):
    if name == "conv4":
        return ls.Conv4((8, 9, 1), filters=4, blocks=2, normalisation=normalisation, key=key)
    if name == "strided":
        return ls.Conv4(
            (8, 9, 1), filters=4, blocks=2, strided=True, normalisation=normalisation, key=key
        )
    return ls.models.ResNet12((8, 9, 1), widths=(4, 6), normalisation=normalisation, key=key)


ENCODERS = ("conv4", "strided", "resnet12")


@eqx.filter_jit
def embedded(model, xs, weight):
    return model.embed(xs, weight)


@eqx.filter_jit
def adapted(model, support, xs, weight):
    return settled(model, support).embed(xs, weight)


@pytest.mark.parametrize("name", ("conv4", "resnet12"))
@pytest.mark.parametrize(
    "normalisation", (ls.models.SupportNorm, ls.models.BatchNorm, ls.models.GroupNorm)
)
def test_one_query_depends_on_the_others_exactly_if_the_encoder_says_so(
    getkey, name, normalisation
):
    model = encoder(name, normalisation, getkey())
    support = ls.Batch(jr.normal(getkey(), (4, 8, 9, 1)), jnp.zeros((4, 1)))
    xs, weight = jr.normal(getkey(), (3, 8, 9, 1)), jnp.ones(3)
    others = xs.at[1:].set(jr.normal(getkey(), (2, 8, 9, 1)))
    left, right = adapted(model, support, xs, weight)[0], adapted(model, support, others, weight)[0]
    assert model.transductive == (normalisation is ls.models.BatchNorm)
    assert bool(jnp.allclose(left, right, atol=1e-6)) != model.transductive


@pytest.mark.parametrize("name", ENCODERS)
def test_images_without_weight_do_not_influence_the_statistics(getkey, name):
    model = encoder(name, ls.models.BatchNorm, getkey())
    xs = jr.normal(getkey(), (3, 8, 9, 1))
    weight = jnp.array([1.0, 1.0, 0.0])
    support = ls.Batch(xs, jnp.zeros((3, 1)))
    left = adapted(model, support, xs, weight)[:2]
    assert_close(left, adapted(model, support, xs.at[2].set(1e3), weight)[:2])
    assert_close(left, embedded(model, xs[:2], jnp.ones(2)), atol=1e-5)


def test_a_support_set_is_normalised_by_its_own_statistics_before_and_after_settling(getkey):
    model = encoder("conv4", ls.models.SupportNorm, getkey())
    support = ls.Batch(
        jr.normal(getkey(), (4, 8, 9, 1)), jnp.zeros((4, 1)), jnp.array([1.0, 1, 1, 0])
    )
    assert_close(
        adapted(model, support, support.x, support.weight),
        embedded(model, support.x, support.weight),
        atol=1e-5,
    )


def test_moments_are_the_mean_and_the_variance_of_the_images_with_weight(getkey):
    x = jr.normal(getkey(), (4, 3, 5, 2))
    mean, variance = moments(x, jnp.array([1.0, 1, 0, 1]))
    present = x[jnp.array([0, 1, 3])]
    assert_close(mean.ravel(), present.mean(axis=(0, 1, 2)))
    assert_close(variance.ravel(), present.var(axis=(0, 1, 2)))


def test_group_norm_with_one_group_is_layer_norm(getkey):
    x = 3 + 2 * jr.normal(getkey(), (2, 5, 4, 6))
    plain = eqx.nn.LayerNorm((5, 4, 6), eps=1e-5, use_weight=False, use_bias=False)
    assert_close(ls.models.GroupNorm(6)(x, jnp.ones(2)), jax.vmap(plain)(x), rtol=1e-4, atol=1e-5)


def test_groups_of_group_norm_do_not_influence_each_other(getkey):
    x, norm = jr.normal(getkey(), (2, 5, 4, 6)), ls.models.GroupNorm(6, groups=2)
    other = x.at[..., 3:].set(7 * x[..., 3:] + 1)
    assert_close(norm(x, jnp.ones(2))[..., :3], norm(other, jnp.ones(2))[..., :3])


def test_groups_must_divide_the_channels():
    with pytest.raises(ls.InputError, match="6 channels are not divisible by `groups=4`"):
        ls.models.GroupNorm(6, groups=4)


def test_images_too_small_for_the_halvings_are_refused(getkey):
    message = "nothing is left of images of 15 by 40 pixels after 4 halvings"
    for encoder in (ls.models.ResNet12, ls.Conv4):
        with pytest.raises(ls.InputError, match=message):
            encoder((15, 40, 1), key=getkey())


def test_sizes_are_those_of_the_papers(getkey):
    shapes = eqx.filter_eval_shape(lambda: ls.models.ResNet12((84, 84, 3), key=jr.key(0)))
    assert shapes.size == 640
    # Four blocks: 9 ab + 18 bb weights of 3 by 3, ab of the shortcut; bias, scale and shift of each
    # channel.
    widths = [(3, 64), (64, 160), (160, 320), (320, 640)]
    expected = sum(9 * a * b + 18 * b * b + a * b + 4 * 3 * b for a, b in widths)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes) if hasattr(leaf, "size")) == expected
    assert ls.Conv4((84, 84, 3), filters=32, key=getkey()).size == 800
    assert ls.Conv4((28, 28, 1), strided=True, key=getkey()).size == 256


def test_attention_ignores_absent_points_and_the_order_of_its_context(getkey):
    block = ls.models.AttentionBlock(8, heads=2, key=getkey())
    tokens, context = jr.normal(getkey(), (3, 8)), jr.normal(getkey(), (4, 8))
    present = jnp.array([True, True, False, True])
    read = eqx.filter_jit(block)
    expected = read(tokens, context, present)
    assert_close(read(tokens, context[::-1], present[::-1]), expected)
    assert_close(read(tokens, context.at[2].set(100.0), present), expected)
    assert_close(read(tokens.at[1:].set(0.0), context, present)[0], expected[0])


def test_heads_must_divide_the_width(getkey):
    with pytest.raises(ls.InputError, match="`width=8` is not divisible by `heads=3`"):
        ls.models.AttentionBlock(8, heads=3, key=getkey())


@pytest.mark.slow
def test_filters_may_grow_from_one_convolution_to_the_next(getkey):
    encoder = ls.Conv4((28, 28, 1), filters=(4, 8, 16, 32), key=getkey())
    sizes = [block.convolution.weight.shape[2:] for block in encoder.blocks]
    assert sizes == [(1, 4), (4, 8), (8, 16), (16, 32)]
    features = jax.eval_shape(encoder.features, jnp.ones((28, 28, 1)))
    assert features.shape == (encoder.size,) == (32,)
    with pytest.raises(ls.InputError, match="has 3 entries for 4 `blocks`"):
        ls.Conv4((28, 28, 1), filters=(4, 8, 16), key=getkey())
