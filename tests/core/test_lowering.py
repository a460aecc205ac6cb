"""Products in the fast form are the same products."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax import lax

import learnset as ls
from learnset.core._lowering import fast_dots


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(0, 0.3, shape))


def agree(function, *args):
    """Asserts that the rewritten function gives the same arrays, types and shapes, to 1e-12."""
    plain, fast = (
        jax.tree_util.tree_leaves_with_path(jax.jit(f)(*args))
        for f in (function, fast_dots(function))
    )
    assert [path for path, _ in plain] == [path for path, _ in fast]
    for (path, a), (_, b) in zip(plain, fast, strict=True):
        assert (a.shape, a.dtype, a.weak_type) == (b.shape, b.dtype, b.weak_type), path
        assert np.allclose(a, b, rtol=1e-12, atol=1e-12), path


@jax.custom_vjp
def squared(x):
    return x @ x


# Not the derivative, so that nothing but this rule gives it.
squared.defvjp(lambda x: (x @ x, x), lambda x, g: (g @ x.T + 2 * (x.T @ g),))

SQUARE, BATCH = (4, 4), (3, 4, 4)
CONSTANT = np.linspace(-1, 1, 16).reshape(SQUARE)


def step(c, x):
    return jnp.tanh(c @ x)


# Functions of one square matrix `x`.
PROGRAMS = {
    "scan": lambda x: lax.scan(lambda c, row: (step(c, x), row @ c), x, x),
    "scan in scan": lambda x: lax.scan(
        lambda c, _: (lax.scan(lambda d, _: (step(d, c), d.sum()), x, length=2)[0], None),
        x,
        length=3,
    )[0],
    "fori_loop": lambda x: lax.fori_loop(0, 4, lambda i, c: step(c, x), x),
    "fori_loop with a traced bound": lambda x: lax.fori_loop(
        0, jnp.argmax(x[0]), lambda i, c: step(c, x), x
    ),
    "while_loop": lambda x: lax.while_loop(
        lambda c: (c[1] @ c[1]).sum() < 50, lambda c: (c[0] + 1, c[1] @ c[1] + 1), (0, x)
    ),
    "weakly typed carry of while_loop": lambda x: lax.while_loop(
        lambda c: c[1] < 3, lambda c: (c[0] @ x * c[1], c[1] + 1), (x, 0.5)
    ),
    "weakly typed carry of scan": lambda x: lax.scan(
        lambda c, _: ((c[0] @ x * c[1], 0.5 * c[1]), c[1]), (x, 1.0), length=3
    ),
    "cond": lambda x: lax.cond(x.sum() > 0, lambda y: y @ y.T, lambda y: y.T @ y, x),
    "switch": lambda x: lax.switch(
        jnp.argmax(x[0]), [lambda y: y @ y.T, lambda y: (y @ y).T, jnp.sin, jnp.cos], x
    ),
    "custom_jvp": lambda x: jax.nn.relu(x @ x),
    "gradient of custom_jvp": jax.grad(lambda x: jax.nn.relu(x @ x).sum()),
    "custom_vjp": lambda x: squared(x),
    "gradient of custom_vjp": jax.grad(lambda x: squared(x)[0].sum()),
    "checkpoint": jax.grad(lambda x: jax.checkpoint(lambda y: jnp.sin(y @ x).sum())(x)),
    "checkpoint in scan": jax.grad(
        lambda x: lax.scan(jax.checkpoint(lambda c, _: (step(c, x), None)), x, length=3)[0].sum()
    ),
    "closed-over constants": jax.jit(
        lambda x: lax.scan(lambda c, _: (step(c, CONSTANT), None), x @ CONSTANT, length=2)[0]
    ),
    "constants made inside": lambda x: (
        jax.jit(lambda y: y @ jnp.linspace(0, 1, 16).reshape(SQUARE))(x) @ jnp.eye(4)
    ),
    "inputs as outputs": lambda x: (x, x @ x, x),
    "constants as outputs": lambda x: (jnp.ones(3), 2.0, x @ x),
    "solve": lambda x: jax.scipy.linalg.solve(x @ x.T + jnp.eye(4), x, assume_a="pos"),
    "map": lambda x: lax.map(lambda row: x @ row, x),
    "associative_scan": lambda x: lax.associative_scan(jnp.matmul, jnp.stack([x, x.T, x])),
    "callback": lambda x: (
        jax.pure_callback(lambda y: 2 * np.asarray(y), jax.ShapeDtypeStruct(SQUARE, x.dtype), x @ x)
        @ x
    ),
    "product swapped": lambda x: (x @ x).T,
    "product swapped and used": lambda x: (lambda c: (c, c.T))(x @ x),
    "random numbers": lambda x: x @ jr.normal(jr.key(0), SQUARE),
}


def test_every_program_computes_the_same():
    with jax.enable_x64(True):
        agree(lambda x: {name: program(x) for name, program in PROGRAMS.items()}, normal(*SQUARE))


def test_every_program_computes_the_same_over_tasks():
    with jax.enable_x64(True):
        mapped = {name: program for name, program in PROGRAMS.items() if name != "callback"}
        agree(
            jax.vmap(lambda x: {name: program(x) for name, program in mapped.items()}),
            normal(*BATCH),
        )


# Two operands, which axes are summed over and which are shared, as in `lax.dot_general`.
PRODUCTS = {
    "several sums": ((3, 4, 5), (4, 5, 2), (((1, 2), (0, 1)), ((), ()))),
    "sums in another order": ((3, 4, 5), (5, 4, 2), (((1, 2), (1, 0)), ((), ()))),
    "one row": ((1, 4), (4, 5), (((1,), (0,)), ((), ()))),
    "one column": ((3, 4), (4, 1), (((1,), (0,)), ((), ()))),
    "vectors": ((4,), (4,), (((0,), (0,)), ((), ()))),
    "matrix and vector": ((3, 4), (4,), (((1,), (0,)), ((), ()))),
    "many axes and a vector": ((3, 4, 5), (5,), (((2,), (0,)), ((), ()))),
    "square axes and a vector": ((4, 4, 5), (5,), (((2,), (0,)), ((), ()))),
    "a vector and many axes": ((5,), (5, 3, 4), (((0,), (0,)), ((), ()))),
    "outer product": ((3,), (4,), (((), ()), ((), ()))),
    "sum over the first axes": ((4, 3), (4, 5), (((0,), (0,)), ((), ()))),
    "batch in the middle": ((4, 3, 2), (5, 4, 3), (((0,), (1,)), ((1,), (2,)))),
    "batch and a vector": ((2, 3, 4, 5), (2, 5), (((3,), (1,)), ((0,), (0,)))),
    "two batches": ((2, 3, 4, 5), (3, 2, 6, 5), (((3,), (3,)), ((0, 1), (1, 0)))),
    "free axes on both sides": ((2, 3, 4, 5), (5, 6, 7), (((3,), (0,)), ((), ()))),
    "no points": ((0, 4), (4, 3), (((1,), (0,)), ((), ()))),
    "nothing to sum": ((3, 0), (0, 4), (((1,), (0,)), ((), ()))),
}


@pytest.mark.parametrize(
    "turn", (lambda c: c, lambda c: jnp.swapaxes(c, -1, -2)), ids=("as it is", "transposed")
)
def test_every_product_is_the_same(turn):
    def products(operands):
        made = {
            name: lax.dot_general(*operands[name], dims) for name, (_, _, dims) in PRODUCTS.items()
        }
        return {name: turn(c) if c.ndim > 1 else c for name, c in made.items()}

    with jax.enable_x64(True):
        agree(
            products,
            {
                name: (normal(*a, seed=1), normal(*b, seed=2))
                for name, (a, b, _) in PRODUCTS.items()
            },
        )


def is_fast(equation):
    """Whether a product is left `(batch, m, k)` times right `(batch, k, n)`."""
    left, _ = equation.invars
    sums, batches = equation.params["dimension_numbers"]
    batch = tuple(range(left.aval.ndim - 2))
    return (sums, batches) == (((len(batch) + 1,), (len(batch),)), (batch, batch))


def test_weight_gradients_of_each_task_take_the_fast_form():
    def loss(weight, x):
        return ((x @ weight) ** 2).sum()

    def are_fast(function):
        program = jax.make_jaxpr(function)(normal(3, 4, 5), normal(3, 6, 4))
        return [is_fast(e) for e in program.eqns if e.primitive.name == "dot_general"]

    gradients = jax.vmap(jax.grad(loss))
    assert are_fast(fast_dots(gradients)) == [True, True] != are_fast(gradients)


def test_products_of_other_types_keep_type_and_value():
    types = (jnp.int32, jnp.int8, jnp.bfloat16, jnp.complex64)
    pairs = [
        tuple(jnp.arange(3 * n).reshape(3, n).astype(dtype) for n in (4, 5)) for dtype in types
    ]
    agree(lambda pairs: [(a.T @ b, (b.T @ a).T) for a, b in pairs], pairs)


def test_sums_in_a_wider_type_stay_in_it():
    a, b = jnp.full((3, 40), 100, jnp.int8), jnp.full((40, 5), 100, jnp.int8)

    def wide(a, b):
        return lax.dot_general(a, b, (((1,), (0,)), ((), ())), preferred_element_type=jnp.int32)

    assert int(fast_dots(wide)(a, b)[0, 0]) == 400_000
    agree(wide, a, b)


@pytest.mark.slow
def test_the_gradient_of_maml_over_tasks_and_seeds_is_the_same():
    methods = {
        unroll.name: ls.MAML(ls.mse, inner_lr=0.1, steps=2, unroll=unroll)
        for unroll in ls.transfer.Unroll
    }

    def draw(key):
        return ls.MLP(1, 1, width=5, key=key), ls.Sinusoids(4, 3).draw(2, ls.Split.TRAIN, key=key)

    def gradients(model, batch):
        return {
            name: maml.gradient(model, batch, None, key=jr.key(1))[0]
            for name, maml in methods.items()
        }

    with jax.enable_x64(True):
        agree(jax.vmap(gradients), *jax.jit(jax.vmap(draw))(jr.split(jr.key(0), 3)))


def test_a_model_with_functions_among_its_leaves_comes_back_whole(getkey):
    model = eqx.nn.MLP(1, 1, 4, 1, key=getkey())
    same = eqx.filter_jit(lambda m: fast_dots(lambda model: model)(m))(model)
    assert eqx.tree_equal(same, model)
