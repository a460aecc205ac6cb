"""Boosted trees and random offsets of tasks that are fitted in turns, by GPBoost where it is
installed."""

from importlib import import_module
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..core import needs
from ..tasks import TaskRows
from ._boosting import Boosting
from ._grower import AbstractGrower, Added, TreesOfTasks
from ._light_boosting import trees_of
from ._mixed_model import MixedEffects
from ._threads import one_thread


class GPBoosting(AbstractGrower):
    """Trees with random effects: in each round the variances of the noise and of the tasks' offsets
    are estimated, and the next tree descends the likelihood that they give. Its trees are not given
    the task.

    Source: Sigrist 2022, *Gaussian Process Boosting*, §3: Algorithm 1.

    **Arguments:** `boosting`: the rate, leaves, rounds and patience.

    **Raises:** `InputError` where GPBoost is not installed.
    """

    boosting: Boosting = Boosting()

    def grown(
        self, rows: TaskRows, validation: TaskRows | None = None, *, rounds: Any = None
    ) -> tuple[Added, int]:
        with needs("gpboost"):
            gpboost: Any = import_module("gpboost")

        options: dict[str, Any] = {
            "objective": "regression_l2",
            "learning_rate": self.boosting.rate,
            "num_leaves": self.boosting.leaves,
            "min_data_in_leaf": max(1, min(20, len(rows.x) // 10)),
            "num_threads": 1,
            "deterministic": True,
            "verbose": -1,
        }
        with one_thread():
            effects = gpboost.GPModel(
                group_data=rows.task[:, None],
                likelihood="gaussian",
                weights=rows.weight.astype(np.float64),
                num_parallel_threads=1,
            )
            data = gpboost.Dataset(rows.x, rows.y[:, 0])
            watched: dict[str, Any] = {"use_gp_model_for_validation": False}
            if rounds is None:
                assert validation is not None
                effects.set_prediction_data(group_data_pred=validation.task[:, None])
                watched = {
                    "valid_sets": data.create_valid(validation.x, validation.y[:, 0]),
                    "early_stopping_rounds": self.boosting.patience,
                    "use_gp_model_for_validation": True,
                }
            model = gpboost.train(
                options,
                data,
                rounds or self.boosting.rounds,
                gp_model=effects,
                verbose_eval=False,
                **watched,
            )
            count = int(rounds or model.best_iteration)
            parts = model.predict(
                np.zeros((len(rows), rows.x.shape[1])),
                group_data_pred=np.arange(len(rows))[:, None],
                num_iteration=count,
                pred_latent=True,
            )
            noise, spread = np.ravel(effects.get_cov_pars())[:2]
        dtype = jnp.result_type(float)
        offsets = MixedEffects(
            jnp.zeros((rows.x.shape[1] + 1, 1), dtype),
            jnp.asarray(parts["random_effect_mean"], dtype)[:, None, None],
            jnp.asarray([noise], dtype),
            jnp.asarray([[spread]], dtype),
        )
        trees = TreesOfTasks(trees_of(model, count, 1), jnp.zeros((len(rows) + 1, 0), dtype))
        return Added((offsets, trees)), count
