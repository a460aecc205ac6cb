"""Classifiers that learn by gradient descent or by reading: promises, and identities with simpler
ones."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
import pytest
from conftest import assert_close

import learnset as ls
from learnset.core._tree import trainable

WAYS = 3


def batch(key, shots, ways=WAYS):
    """Points around a centre for each class, shot by shot."""
    y, centres = jnp.tile(jnp.eye(ways), (shots, 1)), 3 * jr.normal(jr.key(9), (ways, 2))
    return ls.Batch(jr.normal(key, (shots * ways, 2)) + y @ centres, y)


def task(seed=0):
    support_key, query_key = jr.split(jr.key(seed))
    return ls.Task(batch(support_key, 2), batch(query_key, 3))


TASKS = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(task, range(4)))


def net(key=0):
    return ls.MLP(2, WAYS, width=8, depth=1, activation=jnp.tanh, key=jr.key(key))


def images():
    encoder = ls.Conv4((4, 4, 1), filters=3, blocks=2, key=jr.key(0))
    return ls.models.classifier(encoder, WAYS, key=jr.key(1))


LEARNERS = {
    "Proto-MAML": (ls.ProtoMAML(inner_lr=0.1, steps=2), lambda: ls.models.Headed(net(), None)),
    "CNP": (
        ls.CNP(ls.cross_entropy),
        lambda: ls.meta.NeuralProcessClassifier(net(), size=8, width=8, key=jr.key(1)),
    ),
    "in context": (
        ls.meta.InContext(),
        lambda: ls.meta.InContextClassifier(net(), size=8, width=8, heads=2, key=jr.key(1)),
    ),
}


@eqx.filter_jit
def predictions(learner, model, support, xs):
    return ls.predict(learner.adapt(model, support), xs)


@pytest.fixture(scope="module", params=LEARNERS)
def learner(request):
    """A learner that makes its head from the support set, its model, and its predictions for a
    task."""
    learner, model = LEARNERS[request.param]
    model = model()
    return learner, model, predictions(learner, model, task().support, task().query.x)


def test_permuting_the_classes_permutes_the_predictions(learner):
    learner, model, expected = learner
    support, order = task().support, jnp.array([2, 0, 1])
    permuted = ls.Batch(support.x, support.y[:, order], support.weight)
    assert_close(
        predictions(learner, model, permuted, task().query.x),
        expected[:, order],
        rtol=1e-4,
        atol=1e-5,
    )


def test_the_order_of_the_support_points_does_not_matter(learner):
    learner, model, expected = learner
    support = jax.tree.map(lambda leaf: leaf[jnp.array([3, 1, 5, 0, 2, 4])], task().support)
    assert_close(
        predictions(learner, model, support, task().query.x), expected, rtol=1e-4, atol=1e-5
    )


def test_one_query_does_not_depend_on_the_others(learner):
    learner, model, expected = learner
    xs = task().query.x.at[1:].set(jr.normal(jr.key(3), (8, 2)))
    assert_close(
        predictions(learner, model, task().support, xs)[0], expected[0], rtol=1e-4, atol=1e-5
    )


def test_a_class_without_support_is_never_predicted_and_absent_points_change_nothing(learner):
    learner, model, _ = learner
    support = task().support
    weight = jnp.where(support.y[:, 1] > 0, 0.0, 1.0)
    inputs = [jnp.where(weight[:, None] > 0, support.x, value) for value in (0.0, 50.0)]
    zeros, fifties = (
        predictions(learner, model, ls.Batch(x, support.y, weight), task().query.x) for x in inputs
    )
    assert_close(zeros, fifties, rtol=1e-4, atol=1e-5)
    assert (zeros.argmax(axis=1) != 1).all() and jnp.isfinite(zeros).all()


@pytest.mark.slow
def test_gradients_reach_every_part_that_is_used(learner):
    learner, model, _ = learner
    grads = eqx.filter_jit(learner.gradient)(model, TASKS, None, key=jr.key(0))[0]
    largest = {
        jax.tree_util.keystr(path): float(abs(leaf).max())
        for path, leaf in jax.tree.leaves_with_path(grads)
    }
    # An MLP that is an encoder keeps a head, which nothing uses.
    largest = {path: value for path, value in largest.items() if ".encoder.head" not in path}
    assert min(largest.values()) > 1e-8, largest


@pytest.mark.slow
def test_proto_maml_without_steps_is_a_prototypical_network():
    model = ls.models.Headed(net(), None)
    zero, proto = ls.ProtoMAML(steps=0), ls.ProtoNet()

    @jax.jit
    def both():
        logits = [ls.predict(m.adapt(model, task().support), task().query.x) for m in (zero, proto)]
        grads = [m.gradient(model, TASKS, None, key=jr.key(0))[0] for m in (zero, proto)]
        return jax.nn.log_softmax(jnp.stack(logits)), eqx.filter(grads, eqx.is_array)

    (left, right), (left_grads, right_grads) = both()
    assert_close(left, right, rtol=1e-4, atol=1e-4)
    assert_close(left_grads.encoder.layers, right_grads.encoder.layers, rtol=1e-3, atol=1e-5)


def test_proto_maml_moves_encoder_and_head():
    model = ls.models.Headed(net(), None)
    before, after = (
        eqx.filter_jit(ls.ProtoMAML(inner_lr=0.1, steps=steps).adapt)(model, task().support)
        for steps in (0, 2)
    )
    assert not jnp.allclose(before.encoder.layers[0].weight, after.encoder.layers[0].weight)
    assert not jnp.allclose(before.head.weight, after.head.weight)
    assert not jnp.allclose(before.head.bias, after.head.bias)


def test_boil_moves_the_body_and_not_the_head():
    pictures = ls.Batch(jr.normal(jr.key(0), (6, 4, 4, 1)), task().support.y)
    for model, support, where in (
        (net(), task().support, lambda m: m.layers),
        (images(), pictures, lambda m: m.encoder),
    ):
        adapted = eqx.filter_jit(ls.BOIL(inner_lr=0.5, steps=1).adapt)(model, support)
        assert bool(eqx.tree_equal(adapted.head, model.head))
        assert not bool(eqx.tree_equal(where(adapted), where(model)))


def test_boil_and_anil_together_take_the_step_of_maml():
    @eqx.filter_jit
    def moved(method):
        adapted = method(ls.cross_entropy, inner_lr=0.1, steps=1).adapt(net(), task().support)
        return jax.tree.map(lambda a, b: a - b, trainable(adapted)[0], trainable(net())[0])

    both = jax.tree.map(lambda a, b: a + b, moved(ls.BOIL), moved(ls.ANIL))
    assert_close(both, moved(ls.MAML), atol=1e-6)


def test_boil_needs_a_head():
    with pytest.raises(ls.InputError, match="has no `head`"):
        ls.BOIL().adapt(ls.models.Linear(2, 3, key=jr.key(0)), task().support)


def plus_plus(**settings):
    return ls.MAMLPlusPlus(ls.cross_entropy, steps=3, **settings)


@eqx.filter_jit
def gradient(method, model, state):
    return method.gradient(model, TASKS, state, key=jr.key(0))


def updates(number):
    return jnp.asarray(number, jnp.int32)


@pytest.mark.parametrize("unroll", (ls.transfer.Unroll.EXACT, ls.transfer.Unroll.FIRST_ORDER))
def test_maml_plus_plus_with_equal_rates_and_the_last_loss_is_maml(unroll):
    first = unroll is ls.transfer.Unroll.FIRST_ORDER
    method = plus_plus(multi_step=0, first_order=10 if first else 0)
    grads, state, metrics = gradient(method, ls.meta.WithStepRates(net(), 3, 0.1), updates(5))
    expected, _, others = gradient(ls.MAML(ls.cross_entropy, 0.1, 3, unroll), net(), None)
    assert_close(grads.model, expected, rtol=1e-4)
    assert_close(metrics["loss"], others["loss"])
    assert int(state) == 6
    # Rates are learnt with second derivatives and without.
    assert all((abs(leaf) > 0).any(axis=None) for leaf in jax.tree.leaves(grads.rates))


def test_first_derivatives_give_way_to_second_ones():
    method, model = plus_plus(multi_step=0, first_order=10), ls.meta.WithStepRates(net(), 3, 0.1)
    early, late, exact = (
        gradient(m, model, updates(n))[0].model
        for m, n in ((method, 9), (method, 10), (plus_plus(multi_step=0), 0))
    )
    assert_close(late, exact)
    assert not jnp.allclose(early.layers[0].weight, late.layers[0].weight, rtol=1e-3)


def test_the_weights_of_the_steps_are_equal_at_first_and_only_the_last_remains():
    method = plus_plus(multi_step=100)
    assert_close(method.weights(updates(0)), jnp.full(3, 1 / 3))
    assert_close(method.weights(updates(50)), jnp.array([1 / 6, 1 / 6, 2 / 3]))
    for number in (100, 1000):
        assert_close(method.weights(updates(number)), jnp.array([0.0, 0.0, 1.0]))


def test_multi_step_loss_is_the_mean_of_the_losses_after_each_step():
    method, model = plus_plus(multi_step=100), ls.meta.WithStepRates(net(), 3, 0.1)
    _, _, metrics = gradient(method, model, updates(0))
    losses = eqx.filter_jit(
        lambda: jax.vmap(
            lambda t: method.trace(model, t.support, lambda p: ls.cross_entropy(p, t.query))
        )(TASKS)
    )()
    assert_close(metrics["loss"], losses[:, 1:].mean())
    assert_close(metrics["last_step_loss"], losses[:, -1].mean())


def test_each_step_has_its_own_scale_and_shift_which_the_inner_loop_does_not_move():
    model = ls.meta.WithStepRates(images(), steps=3, rate=0.1)
    norm = model.model.encoder.blocks[0].normalisation
    assert norm.scale.shape == (4, 3) and norm.shift.shape == (4, 3)
    assert model.rates.encoder.blocks[0].normalisation.scale is None
    # The adapted classifier has the last row; the rows before belong to the steps.
    new = norm.scale.at[3].set(5.0)
    changed = eqx.tree_at(lambda m: m.model.encoder.blocks[0].normalisation.scale, model, new)
    support = ls.Batch(jr.normal(jr.key(0), (6, 4, 4, 1)), task().support.y)
    before, after = (eqx.filter_jit(plus_plus().adapt)(m, support) for m in (model, changed))
    assert after.encoder.blocks[0].normalisation.scale.tolist() == [5.0, 5.0, 5.0]
    assert before.encoder.blocks[0].normalisation.scale.tolist() == [1.0, 1.0, 1.0]
    assert_close(before.head, after.head)
    assert_close(before.encoder.blocks[0].convolution, after.encoder.blocks[0].convolution)


def test_maml_plus_plus_prepares_a_model_for_its_number_of_steps():
    prepared = plus_plus().prepare(net(), key=jr.key(0))
    assert jax.tree.leaves(prepared.rates)[0].shape == (3,)


def test_the_error_of_maml_plus_plus_for_a_wrong_model_names_the_right_one():
    with pytest.raises(ls.InputError, match="give `WithStepRates\\(model, steps=3\\)`, not MLP"):
        plus_plus().adapt(net(), task().support)
    with pytest.raises(ls.InputError, match="`steps=3`, but the model has step sizes for 5"):
        plus_plus().adapt(ls.meta.WithStepRates(net(), 5), task().support)


class Clusters(ls.AbstractTasks):
    """Classes around random centres."""

    shots: int = 1
    queries: int = 3

    def sample(self, split, *, key):
        centre_key, point_key = jr.split(split.fold(key))
        y = jnp.tile(jnp.eye(WAYS), (4, 1))
        x = y @ (2 * jr.normal(centre_key, (WAYS, 2))) + 0.3 * jr.normal(point_key, (12, 2))
        return ls.Task(ls.Batch(x[:3], y[:3]), ls.Batch(x[3:], y[3:]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ("CNP", "in context"))
def test_readers_learn_to_classify_from_one_example(name):
    makers = {"CNP": ls.meta.NeuralProcessClassifier, "in context": ls.meta.InContextClassifier}
    model = makers[name](net(), size=8, width=8, depth=1, key=jr.key(1))
    settings = {"steps": 60, "tasks_per_step": 16, "key": jr.key(0)}
    run = ls.train(LEARNERS[name][0], model, Clusters(), optax.adam(2e-2), **settings)
    losses = run.metrics["loss"]
    assert losses[-10:].mean() < 0.7 * losses[:2].mean()


def test_r2d2_may_answer_a_class_that_the_support_set_lacks():
    one = ls.Batch(jr.normal(jr.key(1), (4, 2)), jnp.tile(jnp.eye(WAYS)[:1], (4, 1)))
    model = ls.meta.WithRidge(net(), scale=2.0)
    for every_class in (False, True):
        method = ls.R2D2(ls.cross_entropy, every_class=every_class)
        chances = jax.nn.softmax(method.adapt(model, one)(jnp.zeros(2)))
        assert chances[0] > 0.5 and bool((chances[1:] > 0.01).all()) is every_class
