"""Train by MAML and by pooled pretraining, and compare them with learning from scratch.

Usage: python examples/compare_on_sinusoids.py
"""

import jax.random as jr
import optax

import learnset as ls

# By hand: one method, one model, one family of tasks.
tasks = ls.Sinusoids(shots=10)
model_key, train_key, test_key = jr.split(jr.key(0), 3)
model = ls.MLP(1, 1, width=40, depth=2, key=model_key)

maml = ls.MAML(ls.mse, inner_lr=0.01, steps=1)
meta = ls.train(maml, model, tasks, optax.adam(1e-3), steps=1000, key=train_key)
print("MAML:", ls.evaluate(maml, meta.model, tasks, key=test_key))

pooled = ls.train(ls.Pooled(ls.mse), model, tasks, optax.adam(1e-3), steps=1000, key=train_key)
fine_tune = ls.FineTune(ls.mse, lr=0.01, steps=10)
print("pretrained:", ls.evaluate(fine_tune, pooled.model, tasks, key=test_key))
print("from scratch:", ls.evaluate(fine_tune, model, tasks, key=test_key))

# All at once: step sizes are chosen on validation tasks, and differences are paired by task.
recipes = [
    ls.recipes.regression.scratch(steps=100),
    ls.recipes.regression.transfer_pooled(steps=10),
    ls.recipes.regression.maml(steps=10),
]
comparison = ls.compare(
    recipes,
    lambda key: ls.MLP(1, 1, key=key),
    ls.comparison.NewTasks(tasks, seeds=3, shots=(5, 10), test_tasks=50),
    key=jr.key(1),
    budget=ls.Budget(steps=500),
)
for outcome in comparison:
    error, half = comparison.value(outcome, shots=10)
    difference, half_of_it = comparison.difference(outcome, comparison["scratch"], shots=10)
    print(
        f"{outcome.name}: error {error:.2f} ± {half:.2f},"
        f" minus that from scratch {difference:+.2f} ± {half_of_it:.2f}"
    )
