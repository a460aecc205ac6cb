"""Shared by all tests: strict numbers, and keys that no test invents."""

import atexit
import functools
import gc
import os
import pathlib
import shutil
import tempfile

# Most of the suite is compilation; LLVM's lowest level halves it, and XLA's older way to write
# loops halves it again. Processes that tests start inherit both.
FAST = (
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
    " --xla_cpu_parallel_codegen_split_count=1"
)
os.environ["XLA_FLAGS"] = f"{FAST} {os.environ.get('XLA_FLAGS', '')}"

# A thread of a library of linear algebra or of trees that waits for another takes a whole core,
# which the other processes of the run need.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# All processes of one run share what they compiled; nothing is written into the user's own cache.
if "PYTEST_XDIST_WORKER" not in os.environ:  # workers inherit it
    CACHE = tempfile.mkdtemp(prefix="learnset-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = CACHE
    atexit.register(shutil.rmtree, CACHE, ignore_errors=True)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest
from jax._src.interpreters import mlir

import learnset as ls

# A quarter of the time for a small program goes into a new context of its compiler: all share one.
mlir.make_ir_context = functools.cache(mlir.make_ir_context)

# Tracing makes many small objects, nearly none of them in cycles: looking for those after every
# 700 takes a fifteenth of the time.
gc.set_threshold(50_000, 10, 10)

# Arrays are compared on the host, where no program is compiled for each shape.
_tree_equal = eqx.tree_equal


def _on_host(leaf):
    if not isinstance(leaf, jax.Array):
        return leaf
    is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jr.key_data(leaf) if is_key else leaf)


eqx.tree_equal = lambda *trees, **options: _tree_equal(*jax.tree.map(_on_host, trees), **options)

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


# Files of more than a third of a minute; the processes share out files.
LONGEST = (
    "test_public",
    "test_contract",
    "test_golden",
    "test_estimators",
    "test_options",
    "test_few_shot",
    "test_compare",
    "test_cli",
    "test_use_examples",
    "test_custom",
    "test_backbone_command",
    "test_packaging",
)


def pytest_collection_modifyitems(items):
    """The longest files come first, so that no process is left with one of them at the end."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


_finished = iter(range(1, 1_000_000))


@pytest.fixture(autouse=True)
def _room_for_programs():
    """Forgets compiled programs now and then: each is mapped into memory in many pieces, of which
    Linux allows a process 65 530. A suite of this size could reach that, and crash."""
    yield
    if next(_finished) % 50 == 0 and _pieces() > 20_000:
        jax.clear_caches()
        mlir.make_ir_context.cache_clear()
        gc.collect()


def _pieces() -> int:
    """How many pieces of memory are mapped; on other systems than Linux there is no such limit."""
    maps = pathlib.Path("/proc/self/maps")
    return len(maps.read_bytes().splitlines()) if maps.exists() else 0


@pytest.fixture
def getkey():
    """A new random key at every call, the same ones in every run of the test."""
    count = iter(range(1_000_000))
    return lambda: jr.fold_in(jr.key(5678), next(count))


@pytest.fixture
def tasks():
    return ls.Sinusoids(shots=5, queries=7)


@pytest.fixture
def model(getkey):
    return ls.MLP(1, 1, width=8, depth=2, activation=jax.numpy.tanh, key=getkey())


def assert_close(left, right, *, rtol=1e-5, atol=1e-6):
    """Trees of arrays of one structure and the same numbers."""
    left, right = (eqx.filter(tree, eqx.is_array) for tree in (left, right))
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert a.shape == b.shape
        a, b = np.asarray(a), np.asarray(b)  # on the host nothing is compiled for it
        assert np.allclose(a, b, rtol=rtol, atol=atol), f"{abs(a - b).max()} apart"
