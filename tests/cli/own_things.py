"""What a user may bring to the command: tasks, a model, recipes."""

import learnset as ls

tasks = ls.Sinusoids(shots=4, queries=6)
number = 3


def make_tasks():
    return tasks


def network(key):
    return ls.MLP(1, 1, width=7, depth=1, key=key)


def recipes():
    return [ls.recipes.regression.r2d2(), scratch]


scratch = ls.Recipe("mine", ls.Setting.SCRATCH, adapters=(ls.FineTune(ls.mse, steps=2),))
offsets = ls.Recipe(
    "offsets", ls.Setting.MULTI_TASK, (ls.comparison.InClosedForm(ls.multitask.MixedModel(False)),)
)
both = [scratch, offsets]
broken = ls.Recipe(
    "broken", ls.Setting.SCRATCH, adapters=(ls.FineTune(where=lambda model: model.nothing),)
)
