"""Your own tasks in two forms: a family to draw from, and a table of many small data sets.

Usage: python examples/custom_tasks.py
"""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

import learnset as ls


class Decays(ls.AbstractTasks):
    """Radioactive decays: each task has an amount and a half-life."""

    shots: int = 6
    queries: int = 20

    def sample(self, split, *, key):
        amount_key, life_key, time_key, noise_key = jr.split(split.fold(key), 4)
        amount = jr.uniform(amount_key, minval=1.0, maxval=3.0)
        half_life = jr.uniform(life_key, minval=0.5, maxval=4.0)  # hours
        x = jr.uniform(time_key, (self.shots + self.queries, 1), maxval=8.0)  # hours
        y = amount * 0.5 ** (x / half_life) + 0.05 * jr.normal(noise_key, x.shape)
        support = ls.Batch(x[: self.shots], y[: self.shots])
        query = ls.Batch(x[self.shots :], y[self.shots :])
        return ls.Task(support, query, latents=jnp.stack([amount, half_life]))


decays = Decays()
ls.checks.tasks(decays)  # the promises that `train` and `evaluate` rely on
model = ls.meta.WithRidge(ls.MLP(1, 1, width=40, depth=2, key=jr.key(0)))
method = ls.R2D2(ls.mse)
run = ls.train(method, model, decays, optax.adam(1e-3), steps=1000, key=jr.key(1))
print("a family:", ls.evaluate(method, run.model, decays, key=jr.key(2)))

# A table: rows of 40 sensors, each with a slope; 30 of them to learn from, the 10 others to score.
generator = np.random.default_rng(0)
sensor = np.repeat(np.arange(40), 24)
x = generator.uniform(-1, 1, (len(sensor), 1))
y = x * generator.normal(2.0, 0.5, 40)[sensor, None] + 0.1 * generator.normal(size=x.shape)
past, new = sensor < 30, sensor >= 30
tasks = ls.FiniteTasks.from_arrays(x[past], y[past], sensor[past], shots=5)
new_tasks = ls.FiniteTasks.from_arrays(x[new], y[new], sensor[new], shots=5)
run = ls.train(method, model, tasks, optax.adam(1e-3), steps=500, key=jr.key(3))
score = ls.evaluate(method, run.model, new_tasks, key=jr.key(4), num_tasks=len(new_tasks))
print("a table:", score)

# Keep the predictor of one new sensor: the file needs neither the model's code nor the support set.
task = new_tasks.sample(ls.Split.TEST, key=jr.key(5))
ls.save("sensor", method.adapt(run.model, task.support), jnp.zeros(1))
print("kept:", ls.load("sensor")(jnp.array([[0.5], [1.0]])).ravel())
