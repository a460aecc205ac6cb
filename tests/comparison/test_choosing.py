"""Choosing: settings for each seed, on validation tasks alone, and one program for all of them."""

import itertools
from collections import Counter

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from jaxtyping import Array

import learnset as ls
from learnset.comparison import AbstractLearner, alike, ByGradient, NewTasks

GUESSES = tuple(float(value) for value in np.linspace(-1.5, 1.5, 7))
WEIGHTS = (0.0, 0.3, 0.6, 1.0)
TRACED = Counter()


class Means(ls.AbstractTasks):
    """Points around a mean that differs from task to task; queries of test tasks are shifted."""

    shots: int = 6
    queries: int = 3
    shift: float = 0.0

    def sample(self, split, *, key):
        mean_key, key = jr.split(split.fold(key))
        y = 2 * jr.normal(mean_key) + jr.normal(key, (self.shots + self.queries, 1))
        x = jnp.zeros_like(y)
        cut, shift = self.shots, self.shift if split is ls.Split.TEST else 0.0
        return ls.Task(ls.Batch(x[:cut], y[:cut]), ls.Batch(x[cut:], y[cut:] + shift))


class Bias(eqx.Module):
    """The same answer everywhere."""

    value: Array

    def __call__(self, x):
        return self.value


class Guess(AbstractLearner):
    """Learns nothing, and guesses."""

    guess: float

    def learn(self, model, past, budget, *, key):
        TRACED["learn"] += 1
        return Bias(jnp.full(1, self.guess))


class Pull(ls.AbstractAdapter):
    """Pulls the guess towards the mean of the support set."""

    weight: float

    def adapt(self, model, support):
        TRACED["adapt"] += 1
        weight = support.weight[:, None]
        mean = (weight * support.y).sum(axis=0) / weight.sum()
        return Bias(model.value + self.weight * (mean - model.value))


LEARNERS, ADAPTERS = tuple(map(Guess, GUESSES)), tuple(map(Pull, WEIGHTS))


def question(shift=0.0, **options):
    sizes = {"seeds": 4, "shots": (1, 6), "queries": 3, "validation_tasks": 5, "test_tasks": 5}
    return NewTasks(Means(shift=shift), **sizes | options)


def compare(recipes, asked=None, **options):
    def network(key):
        return Bias(jnp.zeros(1))

    asked = question() if asked is None else asked
    return ls.compare(recipes, network, asked, key=jr.key(3), progress=False, **options)


def recipe(name="all", learners=LEARNERS, adapters=ADAPTERS, **options):
    return ls.Recipe(name, ls.Setting.META, learners, adapters, **options)


@pytest.fixture(scope="module")
def chosen():
    return compare([recipe()])["all"]


@pytest.fixture(scope="module")
def alone():
    """Each candidate as a recipe of its own."""
    pairs = itertools.product(range(len(LEARNERS)), range(len(ADAPTERS)))
    recipes = [recipe(f"{i} {j}", LEARNERS[i : i + 1], ADAPTERS[j : j + 1]) for i, j in pairs]
    return compare(recipes)


def test_each_seed_has_the_candidate_that_is_best_on_its_validation_tasks(chosen, alone):
    """As if each candidate were compared alone. Seeds and numbers of shots choose differently."""
    candidates = list(alone)
    errors = np.stack([outcome.validation for outcome in candidates])
    best = errors.argmin(axis=0)  # "shots seeds"
    for place, shots in enumerate(chosen.shots):
        for seed in range(4):
            candidate = candidates[best[place, seed]]
            choice = chosen.chosen[place][seed]
            assert candidate.name == f"{choice.learner} {choice.adapter}"
            np.testing.assert_allclose(
                chosen.at(shots)[seed], candidate.at(shots)[seed], rtol=1e-5, atol=1e-6
            )
    np.testing.assert_allclose(chosen.validation, errors.min(axis=0), rtol=1e-5)
    choices = list(itertools.chain(*chosen.chosen))
    assert len({c.learner for c in choices}) > 1 and len({c.adapter for c in choices}) > 1
    assert len(set(chosen.chosen[0])) > 1 and chosen.chosen[0] != chosen.chosen[1]


def test_models_are_those_that_each_seed_has_chosen(chosen):
    guesses = [GUESSES[choice.learner] for choice in chosen.chosen[-1]]
    np.testing.assert_allclose(chosen.models.value[:, 0], guesses, rtol=1e-6)


def test_what_is_chosen_is_in_the_result(chosen):
    result = compare([recipe()])
    (record,) = result.recipes(6)
    assert len(record["chosen"]) == 2 * 4
    for of, (place, seed) in zip(
        record["chosen"], itertools.product(range(2), range(4)), strict=True
    ):
        choice = chosen.chosen[place][seed]
        assert (of["shots"], of["seed"]) == ((1, 6)[place], seed)
        assert of["learner"] == f"Guess(guess={GUESSES[choice.learner]})"
        assert of["adapter"] == f"Pull(weight={WEIGHTS[choice.adapter]})"


def test_nothing_is_chosen_on_test_tasks(chosen):
    """Test tasks of another kind, and more of them, change every value and no choice."""
    other = compare([recipe()], question(shift=30.0, test_tasks=9))["all"]
    assert other.chosen == chosen.chosen
    np.testing.assert_array_equal(other.validation, chosen.validation)
    assert other.at(6).min() > chosen.at(6).max()


def test_the_number_of_steps_is_chosen_for_each_seed():
    """By hand: the validation tasks are asked again, after each step."""
    learner, adapter = Guess(2.0), ls.FineTune(ls.mse, 0.15, steps=12)
    asked = question(seeds=6, validation_tasks=3)
    outcome = compare([recipe("fine", (learner,), (adapter,))], asked)["fine"]
    validation = asked.ask(ls.Split.VALIDATION, lambda tasks: tasks, jr.key(3))
    adapters = eqx.tree_at(lambda a: a.lr, adapter, jnp.full(6, 0.15))
    errors = asked.answers(adapters, Bias(jnp.full((6, 1), 2.0)), validation, 1).mean(axis=1)
    assert outcome.chosen_steps(1) == tuple(errors.argmin(axis=1).tolist())
    assert len(set(outcome.chosen_steps(1))) > 1
    np.testing.assert_allclose(outcome.validation[0], errors.min(axis=1), rtol=1e-5)
    for seed, step in enumerate(outcome.chosen_steps(1)):
        np.testing.assert_array_equal(outcome.at(1)[seed], outcome.at(1, step)[seed])


def test_of_several_baselines_the_best_on_validation_tasks_counts_for_each_seed():
    baselines = [
        recipe(str(guess), (Guess(guess),), ADAPTERS[:1], baseline=True) for guess in (-0.5, 0.5)
    ]
    result = compare([*baselines, recipe()])
    baseline, outcomes = result.baseline(), [result["-0.5"], result["0.5"]]
    which = np.stack([outcome.validation for outcome in outcomes]).argmin(axis=0)
    names = tuple(tuple(outcomes[i].name for i in of_shots) for of_shots in which)
    assert baseline.members == names and len(set(names[0])) == 2
    for place, shots in enumerate(result.shots):
        expected = [outcomes[i].at(shots)[seed] for seed, i in enumerate(which[place])]
        np.testing.assert_array_equal(baseline.at(shots), expected)
    (row,) = [
        row
        for row in result.records()
        if (row["recipe"], row["shots"], row["seed"]) == ("all", 6, None)
    ]
    assert row["difference"] == pytest.approx((result["all"].at(6) - baseline.at(6)).mean())


def test_the_best_of_one_is_itself_and_of_none_there_is_none(alone):
    outcome = next(iter(alone))
    assert alone.best_of("one", [outcome]) is outcome
    assert alone.best_of("none", []) is None and alone.baseline() is None


def test_candidates_that_differ_in_numbers_alone_are_one_program():
    """Learning and adapting are traced once, whatever the number of seeds and candidates."""
    TRACED.clear()
    compare([recipe()], question(seeds=2, validation_tasks=4, test_tasks=4))
    assert TRACED == {"learn": 1, "adapt": 1}


def test_alike_are_neighbours_that_differ_in_numbers_alone():
    fine = [ls.FineTune(ls.mse, lr, steps=2) for lr in (0.1, 0.2)]
    things = [Guess(0.0), Guess(1.0), *fine, ls.FineTune(ls.mse, 0.1, steps=3), Guess(2.0)]
    assert [len(group) for group in alike(things)] == [2, 2, 1, 1]


@pytest.mark.slow
def test_recipes_that_learn_alike_are_learnt_once(monkeypatch):
    """Three recipes, two ways to learn: those that differ in adapters and names share one."""
    trained = []
    train_seeds = ByGradient.train_seeds

    def counted(self, *args, **options):
        trained.append(options["name"])
        return train_seeds(self, *args, **options)

    monkeypatch.setattr(ByGradient, "train_seeds", counted)
    learner = ByGradient(ls.Pooled(ls.mse))
    recipes = [
        recipe("as it is", (learner,), (ls.transfer.AsIs(),)),
        recipe("pulled", (ByGradient(ls.Pooled(ls.mse)),), ADAPTERS),
        recipe("other steps", (ByGradient(ls.Pooled(ls.mse), steps=2),), ADAPTERS),
    ]
    result = compare(recipes, budget=ls.Budget(steps=4))
    assert trained == ["as it is", "other steps"]
    assert eqx.tree_equal(result["as it is"].models, result["pulled"].models)
    assert result["as it is"].cost.train_seconds == result["pulled"].cost.train_seconds


def test_recipes_that_see_other_things_do_not_learn_alike():
    learner = ByGradient(ls.Pooled(ls.mse))
    one, other = recipe("a", (learner,)), recipe("b", (learner,), view=ls.tasks.Revealed)
    assert one.learns_as(recipe("c", (learner,), ADAPTERS[:1]))
    assert not one.learns_as(other)
    assert not one.learns_as(recipe("d", (ByGradient(ls.Pooled(ls.mse), steps=3),)))


def test_learners_that_hold_equal_arrays_learn_alike():
    one, same, other = (
        recipe("a", (ByGradient(ls.Pooled(ls.mse), lr=jnp.asarray(lr)),)) for lr in (0.1, 0.1, 0.2)
    )
    assert one.learns_as(same) and not one.learns_as(other)


def test_optimisers_that_are_made_alike_learn_alike():
    def made(rate):
        optimiser = optax.chain(optax.clip(1.0), optax.adam(optax.linear_schedule(rate, 0.0, 9)))
        return recipe("a", (ByGradient(ls.Pooled(ls.mse), optimiser=optimiser),))

    assert made(0.1).learns_as(made(0.1)) and not made(0.1).learns_as(made(0.2))
