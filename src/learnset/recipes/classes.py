"""The standard recipes of few-shot classification.

Step sizes, penalties and scales are grids, from which `compare` chooses on validation tasks, for
each seed and number of shots. Recipes of transfer learning share one pretrained classifier of all
training classes.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import optax
from jaxtyping import Array, Key, Shaped

from ..comparison import ByGradient, NothingLearnt, Recipe, Setting
from ..core import AbstractAdapter, Batch, cross_entropy, head, head_size, Model, settled, Split
from ..meta import (
    ANIL,
    body,
    BOIL,
    CNP,
    InContext,
    LearntRidge,
    MAML,
    MAMLPlusPlus,
    MatchingNetwork,
    MetaOptNet,
    ProtoMAML,
    ProtoNet,
    PrototypeDescent,
    R2D2,
    RelationNetwork,
    Reptile,
    SteppedDescent,
)
from ..models import Headed, Linear, Raw
from ..tasks import AbstractTasks, PooledClasses
from ..transfer import (
    Baseline,
    BaselinePlusPlus,
    BDCSPN,
    Centred,
    centred,
    Constant,
    Cosine,
    FineTune,
    FreshHead,
    L2SP,
    LaplacianShot,
    LayerwiseRates,
    Logistic,
    LoRA,
    LPFT,
    Pooled,
    prototype_head,
    Prototypes,
    PTMAP,
    SimpleShot,
    SquaredEuclidean,
    TIM,
    Unroll,
)
from .regression import FINN, meta

LRS = (0.01, 0.1, 0.4)
L2S = (0.01, 0.1, 1.0, 10.0)
SCALES = (0.3, 1.0, 3.0)
DRAWN = 512  # training examples whose statistics a pretrained classifier keeps


def scratch(*, steps: int = 50, lrs: tuple[float, ...] = (0.001, 0.003, 0.01)) -> Recipe:
    """Learning from scratch: Adam from the initial model."""
    adapters = tuple(FineTune(cross_entropy, lr, steps, optimiser=optax.adam) for lr in lrs)
    source = "learning from scratch"
    return Recipe(
        "scratch", Setting.SCRATCH, adapters=adapters, source=source, quick=True, baseline=True
    )


def raw() -> Recipe:
    """No learning at all: the nearest class mean of inputs as they are."""
    adapters = (Prototypes(SquaredEuclidean()), Prototypes(Cosine()))
    learner = NothingLearnt(without_model)
    source = "the nearest class mean"
    return Recipe("raw pixels", Setting.SCRATCH, (learner,), adapters, source, quick=True)


def chance() -> Recipe:
    """One answer for everything."""
    source = "one of the classes, whatever the input"
    return Recipe("chance", Setting.BOUND, adapters=(Constant(0.0),), source=source)


def pretrained(
    name: str,
    adapters: tuple[AbstractAdapter, ...],
    classes: int,
    source: str,
    *,
    quick: bool = False,
) -> Recipe:
    """A classifier of all training classes, whose features the adapters use."""
    learner = ByGradient(
        Pooled(cross_entropy),
        model=Classifying(classes),
        past=pooled,
        finish=with_training_statistics,
    )
    return Recipe(name, Setting.TRANSFER, (learner,), adapters, source, quick=quick)


def transfer(classes: int, *, steps: int = 50) -> list[Recipe]:
    """Uses of the features of a pretrained classifier, one query after the other."""
    chen = "Chen et al. 2019, A Closer Look at Few-shot Classification"
    simple = (SimpleShot(), SimpleShot(False))
    baseline = tuple(Baseline(lr, 2 * steps) for lr in (0.01, 0.1))
    plus = tuple(BaselinePlusPlus(lr, 2 * steps) for lr in (0.01, 0.1))
    logistic = tuple(Logistic(l2) for l2 in L2S)
    tuned = tuple(
        FreshHead(FineTune(cross_entropy, lr, steps), start=prototype_head)
        for lr in (0.001, 0.01, 0.1)
    )
    rates = tuple(
        FreshHead(FineTune(cross_entropy, lr, steps, pace=LayerwiseRates()), start=prototype_head)
        for lr in (0.001, 0.01, 0.1)
    )
    pulled = tuple(
        FreshHead(
            FineTune(cross_entropy, 0.01, steps, penalty=L2SP(strength)), start=prototype_head
        )
        for strength in (0.1, 1.0, 10.0)
    )
    probed = tuple(LPFT(Logistic(), FineTune(cross_entropy, lr, steps)) for lr in (0.001, 0.01))
    lora = tuple(
        FreshHead(LoRA(cross_entropy, lr, steps), start=prototype_head) for lr in (0.001, 0.01, 0.1)
    )
    dhillon = "Dhillon et al. 2020, A Baseline for Few-Shot Image Classification"
    return [
        pretrained("SimpleShot", simple, classes, "Wang et al. 2019, SimpleShot", quick=True),
        pretrained("Baseline", baseline, classes, chen, quick=True),
        pretrained("Baseline++", plus, classes, chen),
        pretrained("logistic head", logistic, classes, "Tian et al. 2020, A Good Embedding"),
        pretrained("fine-tuning", tuned, classes, dhillon),
        pretrained("layer-wise rates", rates, classes, "Howard & Ruder 2018, ULMFiT"),
        pretrained("L2-SP", pulled, classes, "Li, Grandvalet & Davoine 2018, L2-SP"),
        pretrained("LP-FT", probed, classes, "Kumar et al. 2022, LP-FT"),
        pretrained("LoRA", lora, classes, "Hu et al. 2022, LoRA"),
    ]


def transductive(classes: int) -> list[Recipe]:
    """Uses of the features of a pretrained classifier, all queries of a task together."""
    laplacian = tuple(LaplacianShot(scale) for scale in SCALES)
    liu = "Liu, Song & Qin 2020, Prototype Rectification"
    tim = "Boudiaf et al. 2020, Transductive Information Maximization"
    hu = "Hu, Gripon & Pateux 2021, Leveraging the Feature Distribution"
    return [
        pretrained("BD-CSPN", (BDCSPN(),), classes, liu),
        pretrained("TIM", (TIM(),), classes, tim, quick=True),
        pretrained("PT-MAP", (PTMAP(),), classes, hu),
        pretrained("LaplacianShot", laplacian, classes, "Ziko et al. 2020, LaplacianShot"),
    ]


def metric() -> list[Recipe]:
    """Meta-learnt features for a head in closed form, or for comparison."""
    ridge = tuple(LearntRidge(scale) for scale in SCALES)
    r2d2 = R2D2(cross_entropy)
    of_method = {
        "ProtoNet": (ProtoNet(), "Snell, Swersky & Zemel 2017"),
        "matching network": (MatchingNetwork(), "Vinyals et al. 2016"),
        "relation network": (RelationNetwork(), "Sung et al. 2018"),
        "MetaOptNet": (MetaOptNet(), "Lee et al. 2019"),
        "CNP": (CNP(cross_entropy), "Garnelo et al. 2018"),
        "in-context": (InContext(), "Mishra et al. 2018; Garg et al. 2022"),
    }
    recipes = [
        meta(name, method, (method.adapter,), source, quick=name == "ProtoNet")
        for name, (method, source) in of_method.items()
    ]
    learnt_ridge = meta("R2D2", r2d2, ridge, "Bertinetto et al. 2019", quick=True)
    return [*recipes[:3], learnt_ridge, *recipes[3:]]


def gradient_based(*, steps: int = 10) -> list[Recipe]:
    """Meta-learnt initialisations."""
    tuned = tuple(FineTune(cross_entropy, lr, steps) for lr in LRS)
    heads = tuple(FineTune(cross_entropy, lr, steps, where=head) for lr in LRS)
    bodies = tuple(FineTune(cross_entropy, lr, steps, where=body) for lr in LRS)
    prototypes = tuple(PrototypeDescent(cross_entropy, lr, steps) for lr in (0.003, 0.01, 0.03))
    stepped = tuple(SteppedDescent(cross_entropy, 5, scale) for scale in SCALES)
    first = MAML(cross_entropy, 0.4, unroll=Unroll.FIRST_ORDER)
    plus = MAMLPlusPlus(cross_entropy, 5, multi_step=200)
    proto = ProtoMAML(cross_entropy, 0.01, 3)
    return [
        meta("MAML", MAML(cross_entropy, 0.4), tuned, FINN, quick=True),
        meta("FOMAML", first, tuned, f"{FINN}, §5.2"),
        meta("Reptile", Reptile(cross_entropy, 0.1), tuned, "Nichol et al. 2018"),
        meta("ANIL", ANIL(cross_entropy, 0.4, 5), heads, "Raghu et al. 2020"),
        meta("BOIL", BOIL(cross_entropy, 0.4), bodies, "Oh et al. 2021"),
        meta("MAML++", plus, stepped, "Antoniou, Edwards & Storkey 2019"),
        meta("Proto-MAML", proto, prototypes, "Triantafillou et al. 2020"),
    ]


def standard(classes: int, *, steps: int = 10) -> list[Recipe]:
    """All recipes of few-shot classification, in the order of the table.

    **Arguments:**

    - `classes`: how many there are to train on.
    - `steps`: of gradient descent on a new task.
    """
    return [
        scratch(steps=5 * steps),
        raw(),
        chance(),
        *transfer(classes, steps=5 * steps),
        *transductive(classes),
        *metric(),
        *gradient_based(steps=steps),
    ]


# Parts: models, what a classifier is pretrained on, and what is left of it.


def without_model(model: Model, key: Key[Array, ""]) -> Headed:
    """No model at all: features are inputs as they are."""
    del model, key
    return Headed(Raw(), None)


class Classifying(eqx.Module):
    """Gives the common model a head for `classes` classes."""

    classes: int

    def __call__(self, model: Any, key: Key[Array, ""]) -> Model:
        return eqx.tree_at(head, model, Linear(head_size(model), self.classes, key=key))


def pooled(tasks: Any, key: Key[Array, ""]) -> PooledClasses:
    """All training classes as one task; as many at a time as there are, where those are fewer than
    a batch."""
    del key
    half = min(PooledClasses.shots, tasks.train.examples // 2)
    return PooledClasses(tasks, shots=half, queries=half)


def with_training_statistics(model: Model, tasks: AbstractTasks, key: Key[Array, ""]) -> Model:
    """The features of a pretrained classifier, normalised and centred by statistics of training
    examples."""
    drawn = tasks.draw(DRAWN // (tasks.shots + tasks.queries), Split.TRAIN, key=key)
    xs = jnp.concatenate([drawn.support.x, drawn.query.x], axis=1)
    return normalised_by(model, xs.reshape(-1, *xs.shape[2:]))


def normalised_by(model: Model, xs: Shaped[Array, "points *in"]) -> Centred:
    """The features of a model, normalised and centred by statistics of the examples `xs` for
    good."""
    return centred(settled(model, Batch(xs, jnp.zeros((len(xs), 1), xs.dtype))), xs)
