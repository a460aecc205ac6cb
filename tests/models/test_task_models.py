"""Models with parts for each task: they agree with plain NumPy, and single tasks own their
parts."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls
from learnset.models._dselect_k import BinaryGate, smooth_step
from learnset.multitask._task_gradients import own_and_shared

pytestmark = pytest.mark.slow

NUM, IN = 3, 4  # tasks, inputs
KEY = jr.key(0)
XS = np.random.default_rng(0).normal(size=(6, IN)).astype(np.float32)
BATCH = ls.Batch(XS, XS)


def linear(key):
    return ls.models.Linear(IN, 2, key=key)


MODELS = {
    "shared body": lambda: ls.SharedBody(
        ls.MLP(IN, 2, width=5, depth=1, key=KEY), num_tasks=NUM, key=KEY
    ),
    "separate": lambda: ls.models.separate(linear, NUM, key=KEY),
    "cross-stitch": lambda: ls.models.CrossStitch(IN, 2, num_tasks=NUM, width=5, key=KEY),
    "mtan": lambda: ls.models.MTAN(IN, 2, num_tasks=NUM, width=5, key=KEY),
    "mmoe": lambda: ls.models.MMoE(IN, 2, num_tasks=NUM, width=5, tower=1, key=KEY),
    "cgc": lambda: ls.models.CGC(IN, 2, num_tasks=NUM, width=5, tower=1, key=KEY),
    "ple": lambda: ls.models.PLE(IN, 2, num_tasks=NUM, levels=3, width=5, key=KEY),
    "dselect-k": lambda: ls.models.DSelectK(IN, 2, num_tasks=NUM, width=5, key=KEY),
    "low rank": lambda: ls.models.LowRank(IN, 2, num_tasks=NUM, rank=2, key=KEY),
    "clustered": lambda: ls.models.clustered(linear, clusters=2, num_tasks=NUM, key=KEY),
    "embedding": lambda: ls.models.TaskEmbedding(
        ls.MLP(IN + 2, 2, width=5, key=KEY), num_tasks=NUM, size=2, key=KEY
    ),
    "with inputs": lambda: ls.models.WithInputs(
        MODELS["shared body"](), [2, 3, 4], size=IN, key=jr.key(1)
    ),
    "kinds": lambda: ls.models.Kinds(
        MODELS["mmoe"](),
        [ls.models.Kind.REGRESSION] * NUM,
        in_sizes=[IN] * NUM,
        out_sizes=[2] * NUM,
    ),
}
# Views of the others are the models that `make` returned.
HEADED = [name for name in MODELS if name not in ("separate", "clustered")]

outputs = eqx.filter_jit(lambda model, index: ls.predict(model.for_task(jnp.asarray(index)), XS))


@functools.cache
def results(name):
    """A model and its results, in one program: most of the time here is compilation."""

    def compute():
        model = MODELS[name]()
        moving, fixed = eqx.partition(model, eqx.is_inexact_array)
        own, shared = own_and_shared(moving)
        equal = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], leaf.shape), own)

        def outputs(own, index):
            return ls.predict(eqx.combine(own, shared, fixed).for_task(index), XS)

        def slope(index):
            def squares(moving):
                return (ls.predict(eqx.combine(moving, fixed).for_task(index), XS) ** 2).sum()

            return jax.grad(squares)(moving)

        numbers = jnp.arange(-1, NUM)
        view = model.for_task(jnp.asarray(1))
        return {
            "model": model,
            "outputs": jax.vmap(lambda index: outputs(own, index))(numbers),
            "outputs, all equal": jax.vmap(lambda index: outputs(equal, index))(numbers),
            "slopes": jax.vmap(slope)(numbers[1:]),
            "head": jax.vmap(lambda x: view.head(view.features(x)))(XS) if name in HEADED else None,
        }

    return eqx.filter_jit(compute)()


def make(name):
    return results(name)["model"]


def outputs_of(name, index):
    return np.asarray(results(name)["outputs"])[index + 1]


def np_tree(tree):
    return jax.tree.map(np.asarray, eqx.filter(tree, eqx.is_array))


def relu(x):
    return np.maximum(x, 0)


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def output(layers, x):
    """The output of a network of NumPy layers."""
    for layer in layers:
        x = relu(x @ layer.weight + layer.bias)
    return x


def at(tree, *index):
    """Parts of stacked layers: a list of layers."""
    return [jax.tree.map(lambda leaf: leaf[index], layer) for layer in tree.layers]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_parts_of_a_task_influence_no_other_task(name):
    # Leading axes: the task of the loss, the task that owns the part.
    own, _ = own_and_shared(results(name)["slopes"])
    others = ~np.eye(NUM, dtype=bool)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(own)]
    assert all(np.abs(leaf[others]).max() == 0 for leaf in leaves)
    assert all(max(np.abs(leaf[task, task]).max() for leaf in leaves) > 0 for task in range(NUM))


@pytest.mark.parametrize("name", MODELS)
def test_tasks_differ_and_a_new_one_sees_finite_numbers(name):
    new, first, second = (outputs_of(name, index) for index in (-1, 0, 1))
    assert not np.allclose(first, second)
    assert np.isfinite(new).all() and not np.allclose(new, first)


FRESH = ("shared body", "with inputs")  # a new task has a fresh head
OF_OTHERS = ("cross-stitch", "ple")  # a new task has the average activations of the others


@pytest.mark.parametrize("name", [name for name in MODELS if name not in FRESH + OF_OTHERS])
def test_a_new_task_sees_the_average_of_the_parts_of_all_tasks(name):
    """If all parts are equal, the average is the same part."""
    equal = np.asarray(results(name)["outputs, all equal"])
    assert np.allclose(equal, equal[:1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", HEADED)
def test_a_view_is_its_head_on_its_features(name):
    assert np.allclose(results(name)["head"], outputs_of(name, 1), rtol=1e-5, atol=1e-6)


def test_mixtures_are_as_in_plain_numpy():
    m, x = np_tree(make("mmoe")), XS[0]
    own = jax.tree.map(lambda leaf: leaf[1], m.own)
    mixed = softmax(x @ own.gate.layer.weight + own.gate.layer.bias) @ [
        output(at(m.experts.networks, e), x) for e in range(4)
    ]
    expected = output(own.tower.layers, mixed) @ own.head.weight + own.head.bias
    assert np.allclose(outputs_of("mmoe", 1)[0], expected, rtol=1e-5, atol=1e-6)


def test_cgc_is_as_in_plain_numpy():
    m, x = np_tree(make("cgc")), XS[0]
    own = jax.tree.map(lambda leaf: leaf[1], m.own)
    experts = [output(at(own.experts.networks, e), x) for e in range(2)] + [
        output(at(m.shared.networks, e), x) for e in range(2)
    ]
    mixed = softmax(x @ own.gate.layer.weight + own.gate.layer.bias) @ experts
    expected = output(own.tower.layers, mixed) @ own.head.weight + own.head.bias
    assert np.allclose(outputs_of("cgc", 1)[0], expected, rtol=1e-5, atol=1e-6)


def test_ple_is_as_in_plain_numpy():
    m, x, task = np_tree(make("ple")), XS[0], 2
    of_tasks, of_all = [x] * NUM, x
    for level in m.lower:
        shared = [output(at(level.shared.networks, e), of_all) for e in range(2)]
        own = [
            [output(at(level.experts.networks, t, e), of_tasks[t]) for e in range(2)]
            for t in range(NUM)
        ]
        gates = level.gates.layer
        new = [
            softmax(of_tasks[t] @ gates.weight[t] + gates.bias[t]) @ (own[t] + shared)
            for t in range(NUM)
        ]
        gate = level.shared_gate.layer
        of_all = softmax(of_all @ gate.weight + gate.bias) @ (sum(own, []) + shared)
        of_tasks = new
    own = jax.tree.map(lambda leaf: leaf[task], m.last.own)
    experts = [output(at(own.experts.networks, e), of_tasks[task]) for e in range(2)]
    experts += [output(at(m.last.shared.networks, e), of_all) for e in range(2)]
    mixed = softmax(of_tasks[task] @ own.gate.layer.weight + own.gate.layer.bias) @ experts
    expected = mixed @ own.head.weight + own.head.bias
    assert np.allclose(outputs_of("ple", task)[0], expected, rtol=1e-5, atol=1e-6)


def test_ple_of_one_level_is_cgc():
    @eqx.filter_jit
    def both():
        model = ls.models.PLE(IN, 2, num_tasks=NUM, levels=1, width=5, key=KEY)
        return [ls.predict(m.for_task(jnp.asarray(1)), XS) for m in (model, model.last)]

    assert_close(*both())


def test_cross_stitch_that_mixes_nothing_is_a_network_for_each_task():
    alone = eqx.tree_at(
        lambda m: m.stitches, make("cross-stitch"), jnp.tile(jnp.eye(NUM)[None], (2, 1, 1))
    )
    m = np_tree(alone)
    network = [jax.tree.map(lambda leaf: leaf[1], layer) for layer in m.layers]
    expected = output(network, XS) @ m.own.weight[1] + m.own.bias[1]
    assert np.allclose(outputs(alone, 1), expected, rtol=1e-5, atol=1e-6)


def test_cross_stitch_mixes_activations_after_each_layer():
    m, x = np_tree(make("cross-stitch")), XS[0]
    assert np.allclose(m.stitches[0], [[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]])
    xs = [x] * NUM
    for layer, stitch in zip(m.layers, m.stitches, strict=True):
        hidden = [relu(xs[t] @ layer.weight[t] + layer.bias[t]) for t in range(NUM)]
        xs = [sum(stitch[t, other] * hidden[other] for other in range(NUM)) for t in range(NUM)]
    expected = xs[1] @ m.own.weight[1] + m.own.bias[1]
    assert np.allclose(outputs_of("cross-stitch", 1)[0], expected, rtol=1e-5, atol=1e-6)


def test_mtan_is_as_in_plain_numpy():
    m, x = np_tree(make("mtan")), XS[0]
    own, attended = jax.tree.map(lambda leaf: leaf[2], m.own), None
    for block, mask in zip(m.blocks, own.masks, strict=True):
        inner = output([block.first], x)
        x = output([block.second], inner)
        both = inner if attended is None else np.concatenate([inner, attended])
        through = output([mask.inner], both) @ mask.outer.weight + mask.outer.bias
        attended = output([block.down], x / (1 + np.exp(-through)))
    expected = attended @ own.head.weight + own.head.bias
    assert np.allclose(outputs_of("mtan", 2)[0], expected, rtol=1e-5, atol=1e-6)


def test_mtan_of_images_attends_to_the_shared_network_only_through_its_masks(getkey):
    @eqx.filter_jit
    def answers(images):
        model = ls.models.MTAN((4, 4, 1), 2, num_tasks=NUM, width=3, blocks=2, key=KEY)
        blind = eqx.tree_at(
            lambda m: [mask.outer.bias for mask in m.own.masks], model, replace_fn=lambda b: b - 1e3
        )
        return [ls.predict(m.for_task(jnp.asarray(0)), images) for m in (model, blind)]

    images = jr.normal(getkey(), (2, 4, 4, 1))
    attended, not_attended = answers(images)
    assert attended.shape == (2, 2) and not np.allclose(attended[0], attended[1])
    assert np.allclose(not_attended[0], not_attended[1])


@pytest.mark.parametrize("expert", range(8))
def test_a_decided_selector_is_the_number_of_an_expert_in_binary(expert):
    gate = BinaryGate(1, 3, 1.0, key=KEY)
    digits = [[0.5 if expert >> place & 1 else -0.5 for place in range(3)]]
    decided = eqx.tree_at(lambda g: g.digits, gate, jnp.asarray(digits))
    assert np.array_equal(decided(jnp.ones(IN)), np.eye(8)[expert])


def test_selectors_are_distributions_and_start_nearly_even():
    view = make("dselect-k").for_task(jnp.asarray(0))
    selectors = np.asarray(view.body.gate.selectors)
    assert np.allclose(selectors.sum(axis=1), 1, rtol=1e-6)
    assert np.allclose(selectors, 1 / 4, rtol=0.1)
    entropy = ls.models.gate_entropy(view, BATCH)
    assert np.isclose(entropy, -(selectors * np.log(selectors)).sum(), rtol=1e-5)


def test_the_entropy_of_decided_gates_is_zero_and_so_is_its_gradient():
    model = make("dselect-k")
    decided = eqx.tree_at(lambda m: m.own.gate.digits, model, jnp.ones_like(model.own.gate.digits))

    def entropy(model):
        return ls.models.gate_entropy(model.for_task(jnp.asarray(0)), BATCH)

    grads = eqx.filter_grad(entropy)(decided)
    assert entropy(decided) == 0
    assert all((np.asarray(leaf) == 0).all() for leaf in jax.tree.leaves(grads))


def test_the_smooth_step_is_flat_outside_and_its_slope_is_continuous():
    t = jnp.asarray([-2.0, -0.5, 0.0, 0.5, 2.0])
    assert np.allclose(smooth_step(t), [0, 0, 0.5, 1, 1])
    slopes = jax.vmap(jax.grad(smooth_step))(jnp.asarray([-0.5001, -0.4999, 0.4999, 0.5001]))
    assert np.allclose(slopes, 0, atol=1e-2)


def test_training_with_the_entropy_penalty_makes_selectors_decide():
    model = make("dselect-k")
    loss = ls.models.Penalised(
        lambda predictor, batch: jnp.asarray(0.0), ls.models.gate_entropy, 1.0
    )

    @eqx.filter_jit
    def trained(model):
        moving, fixed = eqx.partition(model, eqx.is_inexact_array)

        def of_task(moving):
            return loss(eqx.combine(moving, fixed).for_task(jnp.asarray(0)), BATCH)

        def step(moving, _):
            return jax.tree.map(lambda p, g: p - 0.02 * g, moving, jax.grad(of_task)(moving)), None

        return eqx.combine(jax.lax.scan(step, moving, length=2000)[0], fixed)

    selectors = np.asarray(trained(model).for_task(jnp.asarray(0)).body.gate.selectors)
    assert (selectors.max(axis=1) == 1).all()


def test_low_rank_models_have_few_directions():
    model = eqx.filter_jit(lambda: ls.models.LowRank(8, 2, num_tasks=6, rank=3, key=KEY))()
    weights = [np.asarray(model.basis.weight) @ np.asarray(model.own.weight)[t] for t in range(6)]
    assert np.linalg.matrix_rank(np.concatenate(weights, axis=1), tol=1e-5) == 3
    expected = weights[4].sum(axis=0) + np.asarray(model.own.bias)[4]
    assert np.allclose(model.for_task(jnp.asarray(4))(jnp.ones(8)), expected, rtol=1e-5)


def test_a_certain_member_has_the_model_of_its_cluster():
    model, own = make("clustered"), jnp.asarray([[0.0, 200.0], [200.0, 0.0], [0.0, 0.0]])
    certain = eqx.tree_at(lambda m: m.own, model, own)
    zero, one = (
        ls.predict(jax.tree.map(lambda leaf, c=c: leaf[c], model.models), XS) for c in (0, 1)
    )
    assert_close(outputs(certain, 0), one)
    assert_close(outputs(certain, 1), zero)
    assert_close(outputs(certain, 2), (zero + one) / 2)


def test_an_embedding_is_a_set_of_additional_inputs():
    model = make("embedding")
    xs = np.concatenate([XS, np.tile(model.own[1][None], (len(XS), 1))], axis=1)
    expected = ls.predict(model.model, xs)
    assert np.allclose(outputs_of("embedding", 1), expected, rtol=1e-5, atol=1e-6)


def test_inputs_beyond_those_of_the_task_have_no_weight_and_no_gradient():
    model = make("with inputs")
    padded = XS * [1, 1, 0, 0]
    gradient = eqx.filter_grad(lambda m: ls.predict(m.for_task(jnp.asarray(0)), padded).sum())
    slope = np.abs(np.asarray(eqx.filter_jit(gradient)(model).maps.weight)[0])
    assert np.abs(np.asarray(model.maps.weight)[0, 2:]).max() == 0
    assert slope[2:].max() == 0 < slope[:2].max()


def test_the_penalty_of_codes_moves_each_number_towards_zero_by_its_strength(getkey):
    model = make("low rank")
    loss = ls.models.Penalised(lambda predictor, batch: jnp.asarray(0.0), ls.models.code_size, 0.3)
    grads, _, _ = ls.Pooled(loss).gradient(model, blank(getkey()), None, key=KEY)
    assert np.allclose(grads.own.weight, 0.3 * np.sign(model.own.weight) / NUM)
    assert np.abs(np.asarray(grads.basis.weight)).max() == 0


def blank(key):
    """Each task once, with random inputs."""
    x, y = jr.normal(key, (NUM, 4, IN)), jnp.zeros((NUM, 4, 2))
    half = ls.Batch(x, y, jnp.ones((NUM, 4)))
    return ls.Task(half, half, jnp.arange(NUM), jnp.zeros((NUM, 0)))


BAD = {
    "MMoE: `experts=0`": lambda: ls.models.MMoE(3, 1, num_tasks=2, experts=0, key=KEY),
    "CGC: `shared=-1`": lambda: ls.models.CGC(3, 1, num_tasks=2, shared=-1, key=KEY),
    "PLE: `levels=0`": lambda: ls.models.PLE(3, 1, num_tasks=2, levels=0, key=KEY),
    "DSelectK: `experts=6`": lambda: ls.models.DSelectK(3, 1, num_tasks=2, experts=6, key=KEY),
    "CrossStitch: `same=1.5`": lambda: ls.models.CrossStitch(3, 1, num_tasks=2, same=1.5, key=KEY),
    r"MTAN: nothing is left of images of \(4, 4, 1\)": lambda: ls.models.MTAN(
        (4, 4, 1), 1, num_tasks=2, blocks=3, key=KEY
    ),
    "LowRank: `rank=0`": lambda: ls.models.LowRank(3, 1, num_tasks=2, rank=0, key=KEY),
    "clustered: `clusters=0`": lambda: ls.models.clustered(
        linear, clusters=0, num_tasks=2, key=KEY
    ),
    "TaskEmbedding: `size=0`": lambda: ls.models.TaskEmbedding(
        linear(KEY), num_tasks=2, size=0, key=KEY
    ),
    "gate_entropy: the predictor has no selectors": lambda: ls.models.gate_entropy(
        linear(KEY), None
    ),
    "code_size: the predictor has no code": lambda: ls.models.code_size(linear(KEY), None),
    "Penalised: `strength=-1.0`": lambda: ls.models.Penalised(ls.mse, ls.models.gate_entropy, -1.0),
}


@pytest.mark.parametrize("message", BAD)
def test_an_error_says_what_is_wrong(message):
    with pytest.raises(ls.InputError, match=message):
        BAD[message]()
