"""Identities: equal where the contents are, in any process; different where anything in them is."""

import functools
import inspect
import json
import os
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import learnset as ls
from learnset.training import difference, digest, identity


def several_kinds():
    """One digest of much that a run can be made of."""
    schedule = optax.cosine_decay_schedule(0.1, decay_steps=100)
    classes = ls.data.Labelled.from_arrays(np.eye(12), np.arange(12) % 6)
    return digest(
        (
            ls.PCGrad(ls.mse),
            ls.Sinusoids(),
            ls.MLP(1, 1, activation=jax.nn.relu, key=jr.key(0)),
            ls.Episodes(*classes.split((2, 2, 2)), ways=2, shots=1, queries=1),
            optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule)),
            {"names": {"tabby", "tortoiseshell", "ginger"}, "key": jr.key(1)},
            functools.partial(jnp.sum, axis=0),
        )
    )


@pytest.mark.slow
def test_a_new_process_finds_the_same_identity():
    """Also where strings are hashed otherwise, and sets so lie in another order."""
    imports = "import functools, jax, jax.numpy as jnp, jax.random as jr, numpy as np, optax"
    lines = [imports, "import learnset as ls", "from learnset.training import digest"]
    lines += [inspect.getsource(several_kinds), "print(several_kinds())"]
    elsewhere = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )
    assert elsewhere.stdout.strip() == several_kinds()


class Pair(eqx.Module):
    weight: jax.Array
    other: object = None
    ways: int = eqx.field(static=True, default=5)

    def __repr__(self):
        raise AssertionError("nothing is printed to be identified")

    __str__ = __repr__


class Twin(Pair):
    pass


def scaled(factor):
    def scale(x):
        return factor * x

    return scale


def with_default(offset):
    return lambda x, offset=offset: x + offset


def method_of(weight):
    return Pair(weight).__repr__


class Custom:
    """An object of a kind that `identity` does not know."""


def custom(**values):
    made = Custom()
    made.__dict__.update(values)
    return made


WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)
DIFFERENT = {
    "an element": (Pair(WEIGHT), Pair(WEIGHT + np.eye(2, 3, dtype=np.float32) * 1e-6)),
    "an element of many": (np.zeros(100_000), np.r_[np.zeros(99_999), 1.0]),
    "a label": (np.array(["a", "b"]), np.array(["a", "c"])),
    "a dtype": (Pair(WEIGHT), Pair(WEIGHT.astype(np.float64))),
    "a shape": (Pair(WEIGHT), Pair(WEIGHT.reshape(3, 2))),
    "a shape alone": (jax.ShapeDtypeStruct((2,), "int32"), jax.ShapeDtypeStruct((3,), "int32")),
    "a static field": (Pair(WEIGHT), Pair(WEIGHT, ways=6)),
    "a class": (Pair(WEIGHT), Twin(WEIGHT)),
    "a number and a truth": (1, True),
    "a number and its text": (1, "1"),
    "a key": (jr.key(0), jr.key(1)),
    "a closed-over value": (scaled(1.0), scaled(2.0)),
    "a closed-over array": (scaled(WEIGHT), scaled(WEIGHT + 1)),
    "a default": (with_default(1), with_default(2)),
    "a constant in a lambda": (lambda x: x * 2.5, lambda x: x * 3.5),
    "a function in a lambda": (lambda x: jnp.sin(x), lambda x: jnp.cos(x)),
    "a function": (jnp.sin, jnp.cos),
    "a ufunc": (jnp.add, jnp.multiply),
    "a function of NumPy": (np.sin, np.cos),
    "an argument": (functools.partial(jnp.sum, axis=0), functools.partial(jnp.sum, axis=1)),
    "a method's owner": (method_of(WEIGHT), method_of(WEIGHT + 1)),
    "a mapped axis": (eqx.filter_vmap(jnp.sin), eqx.filter_vmap(jnp.sin, in_axes=1)),
    "an item": ([1, 2], [1, 3]),
    "a list and a tuple": ([1, 2], (1, 2)),
    "an order": ([1, 2], [2, 1]),
    "an item of many": ([*range(50)], [*range(49), 0]),
    "an entry": ({"a": 1}, {"a": 2}),
    "a member": ({"a"}, {"b"}),
    "a long text": ("a" * 1000, "a" * 999 + "b"),
    "an attribute": (custom(n=1), custom(n=2)),
    "a jaxpr": (jax.make_jaxpr(jnp.sin)(1.0), jax.make_jaxpr(jnp.cos)(1.0)),
    "a learning rate": (optax.adam(1e-3), optax.adam(2e-3)),
    "a momentum": (optax.adam(1e-3), optax.adam(1e-3, b1=0.8)),
    "a schedule": (
        optax.adam(optax.cosine_decay_schedule(0.1, 10)),
        optax.adam(optax.cosine_decay_schedule(0.1, 20)),
    ),
    "a link of a chain": (
        optax.chain(optax.clip(1.0), optax.sgd(0.1)),
        optax.chain(optax.clip(2.0), optax.sgd(0.1)),
    ),
    "a rate that is injected": (
        optax.inject_hyperparams(optax.adam)(learning_rate=1e-3),
        optax.inject_hyperparams(optax.adam)(learning_rate=2e-3),
    ),
}


@pytest.mark.parametrize("one, other", DIFFERENT.values(), ids=DIFFERENT)
def test_another(one, other):
    assert digest(one) != digest(other)
    assert difference(identity(one), identity(other))


def itself():
    """A closure and an object that contain themselves."""

    def countdown(n):
        return countdown(n - 1) if n else owner

    owner = custom(start=countdown)
    owner.self = owner
    return countdown


SAME = {
    "host and device": (WEIGHT, jnp.asarray(WEIGHT)),
    "the layout in memory": (WEIGHT, np.asfortranarray(WEIGHT)),
    "the order of a dictionary": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "the object": (Pair(WEIGHT, [1]), Pair(WEIGHT.copy(), [1])),
    "what is made anew": (optax.adam(1e-3), optax.adam(1e-3)),
    "a lambda made anew": (with_default(1), with_default(1)),
    "compilation": (WEIGHT.sum, WEIGHT.copy().sum),
    "a decoration": (scaled(2.0), jax.jit(scaled(2.0))),
    "an unknown object": (custom(n=1), custom(n=1)),
    "a whole number and another of equal value": (
        optax.warmup_cosine_decay_schedule(0.0, 1e-3, 150, 2850),
        optax.warmup_cosine_decay_schedule(0, 1e-3, 150, 2850.0),
    ),
    "a number by itself": (1, 1.0),
    "what contains itself": (itself(), itself()),
    "one object twice": ([same := scaled(2.0), same], [scaled(2.0), scaled(2.0)]),
}


@pytest.mark.parametrize("one, other", SAME.values(), ids=SAME)
def test_no_difference_is_made_by(one, other):
    assert difference(identity(one), identity(other)) is None


def test_the_difference_names_the_class_and_its_fields():
    before, now = Pair(WEIGHT, [1, 2], ways=5), Pair(WEIGHT + 1, [1, 3], ways=6)
    words = "Pair with another `weight`, `other[1]` (2, here 3) and 1 more"
    assert difference(identity(before), identity(now)) == words


def test_of_a_part_of_another_class_the_fields_are_not_listed():
    before, now = Pair(WEIGHT, Pair(WEIGHT)), Pair(WEIGHT, Twin(WEIGHT + 1))
    words = difference(identity(before), identity(now))
    assert words == "Pair with another `other` (test_identity.Pair, here test_identity.Twin)"


def test_fields_that_only_one_has_are_absent_in_the_other():
    words = difference(identity({"a": 1}), identity({"a": 1, "b": 2}))
    assert words == "dict with another `['b']` (absent, here 2)"


def test_an_identity_is_json_and_short():
    found = identity(Pair(np.zeros(10_000), ["x" * 10_000, *map(str, range(10_000))]))
    assert json.loads(json.dumps(found)) == found
    assert len(json.dumps(found)) < 1000
