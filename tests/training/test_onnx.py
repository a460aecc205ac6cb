"""Functions as ONNX files: onnxruntime computes what JAX computes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax import lax

import learnset as ls

onnxruntime = pytest.importorskip("onnxruntime")
SINES = ls.Sinusoids(shots=5, queries=6)
TASK = SINES.sample(ls.Split.TEST, key=jr.key(0))
X = jnp.linspace(-1, 1, 12).reshape(3, 4)


def asked(path, function, *inputs):
    """What onnxruntime computes with the file."""
    ls.to_onnx(path, function, *inputs)
    session = onnxruntime.InferenceSession(str(path))
    arrays = [leaf for leaf in jax.tree.leaves(inputs) if eqx.is_array(leaf)]
    needed = {entry.name for entry in session.get_inputs()}
    given = {f"x{i}": np.asarray(leaf) for i, leaf in enumerate(arrays) if f"x{i}" in needed}
    return session.run(None, given)


def assert_equal(path, function, *inputs, atol=1e-6):
    expected = jax.tree.leaves(function(*inputs))
    for one, other in zip(asked(path, function, *inputs), expected, strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=atol)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "function.onnx"


FUNCTIONS = {
    "arithmetic": lambda x: jnp.exp(-(x**2)) / (1 + jnp.abs(x)) - x**3 * jnp.sqrt(x + 2),
    "softmax": lambda x: jax.nn.log_softmax(x, axis=0),
    "activations": lambda x: jax.nn.gelu(x) + jax.nn.softplus(x) * jax.nn.relu(x),
    "order statistics": lambda x: (x.argmax(axis=1), x.max(axis=0), x.min(), x.prod(axis=1)),
    "comparisons": lambda x: jnp.where((x > 0) & (x != 1) | jnp.isnan(x), x, -2.0),
    "any and all": lambda x: ((x > 0).any(axis=0), (x > -2).all(), jnp.isfinite(x)),
    "products": lambda x: (x @ x.T, jnp.einsum("ij,kj->ikj", x, x), jnp.outer(x[0], x[1])),
    "shapes": lambda x: jnp.concatenate([x.T[::-1], x.reshape(4, 3)[1:]], axis=0)[:, None],
    "pads": lambda x: jnp.pad(x, ((1, 2), (0, 1)), constant_values=3.0),
    "cumulative sums": lambda x: (jnp.cumsum(x, axis=1), lax.cumsum(x, axis=0, reverse=True)),
    "parts": lambda x: jnp.split(x, [1, 3], axis=1),
    "clipped": lambda x: jnp.clip(x, -0.5, 0.25),
    "chosen rows": lambda x: (x[jnp.array([2, 0, 2])], jnp.take(x, jnp.array([[1, 9]]), axis=1)),
    "a place that moves": lambda x: lax.dynamic_slice(x, (jnp.argmax(x[:, 0]), 3), (2, 2)),
    "a place that is written": lambda x: lax.dynamic_update_slice(
        x, x[:1, :2], (jnp.argmax(x[:, 0]), 3)
    ),
    "places that are added to": lambda x: (
        x.at[jnp.argmax(x, axis=1)[:2], 1].add(7.0),
        jax.grad(lambda x: (x[jnp.argmax(x, axis=0) + 1] ** 2).sum())(x),
    ),
    "a loop": lambda x: lax.fori_loop(0, 5, lambda i, y: y * 0.9 + i, x),
    "a loop backwards": lambda x: lax.scan(lambda a, b: (a + b, a * b), x[0], x, reverse=True),
    "a loop that ends": lambda x: lax.while_loop(lambda y: y.sum() < 9, lambda y: y + 0.3, x),
    "a choice": lambda x: lax.cond(x.sum() > 1, lambda x: x, lambda x: -x, x),
    "windows": lambda x: (
        lax.reduce_window(x, -jnp.inf, lax.max, (1, 2), (1, 2), "VALID"),
        lax.reduce_window(x, 0.0, lax.add, (2, 2), (1, 1), "SAME"),
    ),
    "a gradient": jax.grad(lambda x: jnp.sum(jnp.tanh(x @ x.T) ** 2)),
    "what does not depend on it": lambda x: (jr.normal(jr.key(0), (3,)), x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_onnxruntime_computes_the_same(name, path):
    assert_equal(path, FUNCTIONS[name], X)


def test_adaptation_itself_is_a_file(path):
    """Ten steps of gradient descent of MAML's network on five points, and its predictions."""
    model = ls.MLP(1, 1, width=40, depth=2, key=jr.key(1))
    maml = ls.MAML(ls.mse, inner_lr=0.01, steps=10)

    def learnt(x, y, asked):
        return ls.predict(maml.adapt(model, ls.Batch(x, y, jnp.ones(len(x)))), asked)

    assert_equal(path, learnt, TASK.support.x, TASK.support.y, TASK.query.x)
    assert path.stat().st_size < 100_000


def test_a_predictor_of_characters_is_a_file(path):
    encoder = ls.Conv4((12, 12, 1), filters=4, blocks=2, key=jr.key(1))
    images = jr.uniform(jr.key(2), (4, 12, 12, 1))
    support = ls.Batch(images, jnp.eye(2)[jnp.array([0, 1, 0, 1])], jnp.ones(4))
    predictor = ls.ProtoNet().adapt(ls.models.Headed(encoder, None), support)
    assert_equal(path, lambda xs: ls.predict(predictor, xs), images[:3], atol=1e-5)


def test_a_network_with_memory_is_a_file(path):
    cell = eqx.nn.GRUCell(4, 8, key=jr.key(3))
    assert_equal(path, lambda xs: lax.scan(lambda h, x: (cell(x, h), h), jnp.zeros(8), xs), X)


def test_what_has_no_form_in_onnx_is_named_in_one_line(path):
    with pytest.raises(ls.InputError, match="`cholesky`") as raised:
        ls.to_onnx(path, jnp.linalg.cholesky, jnp.eye(3))
    assert "\n" not in str(raised.value) and not path.exists()
