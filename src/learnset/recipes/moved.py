"""Recipes that move the last blocks of a pretrained network, or all of it, and a head.

What comes before the last blocks stands still, so that its activations are computed once for all
examples: a step costs what the last blocks cost.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Key

from ..comparison import NothingLearnt, Recipe, Setting
from ..core import Batch, cross_entropy, Model
from ..models import Backbone, Headed
from ..transfer import (
    AbstractAdded,
    AbstractRenewed,
    FineTune,
    FreshHead,
    Logistic,
    LoRA,
    LPFT,
    norms_only,
    prototype_head,
)
from .frozen import WithFeatures

STEPS, BATCH = 40, 8
SIDE = 128  # of images for a whole network
SLOW = 6e10  # floating-point operations of one second, on two cores of a processor
LONGEST = 1200.0  # seconds of one recipe on a processor
CANDIDATES = 2  # of each recipe


class Ending(eqx.Module):
    """The last blocks of a pretrained network in place of the common model."""

    blocks: Any

    def __call__(self, model: Model, key: Key[Array, ""]) -> Headed:
        del model, key
        return Headed(self.blocks, None)


def recipes(name: str, view: WithFeatures, blocks: Any) -> list[Recipe]:
    """Fine-tuning, after probing or from class means; of normalisation alone; and by LoRA.

    **Arguments:** `name`: of the network. `view`: tasks of activations before its last `blocks`.
    """

    def tune(lr: float, **options: Any) -> FineTune:
        return FineTune(cross_entropy, lr, STEPS, optimiser=optax.adam, batch=BATCH, **options)

    def recipe(word: str, adapters: tuple[Any, ...], source: str) -> Recipe:
        learner = NothingLearnt(Ending(blocks))
        return Recipe(f"{name} + {word}", Setting.TRANSFER, (learner,), adapters, source, view)

    # A first step of Adam moves each number by the step size: larger ones undo what was learnt.
    lrs, small = (1e-4, 1e-3), (3e-4, 3e-3)  # of all, and of few numbers
    probed = tuple(LPFT(Logistic(), tune(lr)) for lr in lrs)
    tuned = tuple(FreshHead(tune(lr), start=prototype_head) for lr in lrs)
    norms = tuple(LPFT(Logistic(), tune(lr, where=norms_only)) for lr in small)
    options = {"optimiser": optax.adam, "batch": BATCH}
    lora = tuple(LPFT(Logistic(), LoRA(cross_entropy, lr, STEPS, **options)) for lr in small)
    return [
        recipe("fine-tuning", tuned, "Yosinski et al. 2014, How transferable are features"),
        recipe("LP-FT", probed, "Kumar et al. 2022, LP-FT"),
        recipe("norms only", norms, "Frankle, Schwab & Morcos 2021; after probing"),
        recipe("LoRA", lora, "Hu et al. 2022, LoRA; after probing"),
    ]


def whole(name: str, view: WithFeatures, network: Any) -> Recipe:
    """Fine-tuning of all of a network, after probing.

    **Arguments:** `view`: tasks of images as the network takes them.
    """
    blocks = Backbone(network, in_shape=view.test.x.shape[1:])  # one image at a time on a CPU
    options = {"optimiser": optax.adam, "batch": BATCH}
    adapters = tuple(
        LPFT(Logistic(), FineTune(cross_entropy, lr, STEPS, **options)) for lr in (1e-4, 3e-4)
    )
    source, learner = "Kumar et al. 2022, LP-FT; all layers", NothingLearnt(Ending(blocks))
    return Recipe(f"whole {name} + LP-FT", Setting.TRANSFER, (learner,), adapters, source, view)


def seconds(blocks: Any, shape: tuple[int, ...], adaptations: int) -> float:
    """About how long one recipe takes on two cores of a processor.

    **Arguments:** `shape`: of what the blocks take. `adaptations`: to how many tasks.
    """
    lowered = jax.jit(lambda x: blocks.features(x)).lower(jax.ShapeDtypeStruct(shape, jnp.float32))
    operations = (lowered.cost_analysis() or {}).get("flops", 0.0)
    return 3 * operations * BATCH * STEPS * adaptations / SLOW


class Parts(NamedTuple):
    """How many numbers a recipe learns for a task: in the blocks of the network, or added to them,
    and in the head; and how many numbers of the blocks stand still."""

    learnt: int
    head: int
    still: int


def parts(recipe: Recipe, shape: tuple[int, ...], ways: int) -> Parts:
    """What moves in one step, bit by bit: stored statistics do not.

    **Arguments:** `shape`: of what the blocks take. `ways`: classes of a task.
    """
    adapter, learner = recipe.adapters[0], recipe.learners[0]
    assert isinstance(adapter, AbstractRenewed) and isinstance(learner, NothingLearnt)
    model = learner.model(None, jr.key(0))
    support = Batch(jr.normal(jr.key(1), (ways, *shape)), jnp.eye(ways))

    @eqx.filter_jit
    def both(model: Any) -> Any:
        start, step, _ = adapter.descent.plan(adapter.renewed(model, support), support)
        return start[0], step(start)[0]

    before, after = both(model)
    learnt = head = 0
    old, new = map(jax.tree_util.tree_leaves_with_path, (before, after))
    for (path, a), (_, b) in zip(old, new, strict=True):
        moves = bool((a != b).any())
        if "head" in jax.tree_util.keystr(path):
            head += a.size * moves
        else:
            learnt += a.size * moves
    size = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_array)))
    added = isinstance(adapter.descent, AbstractAdded)
    return Parts(learnt, head, size if added else size - learnt)
