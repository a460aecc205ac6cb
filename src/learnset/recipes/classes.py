"""The standard recipes of few-shot classification, as `recipes` has those of regression.

Step sizes, penalties and scales are grids, from which `compare` chooses on validation tasks, for each number of shots.
Recipes of transfer learning share one pretrained classifier of all training classes.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import optax
from jaxtyping import Array, Key, Shaped

from ..comparison import Recipe, Setting
from ..core import AbstractAdapter, Batch, cross_entropy, head, Model, settled, Split
from ..meta import (
    ANIL,
    body,
    BOIL,
    CNP,
    InContext,
    InContextClassifier,
    LearntRidge,
    MAML,
    MAMLPlusPlus,
    MatchingNetwork,
    MetaOptNet,
    NeuralProcessClassifier,
    ProtoMAML,
    ProtoNet,
    PrototypeDescent,
    R2D2,
    RelationNetwork,
    Reptile,
    SteppedDescent,
    WithRelation,
    WithRidge,
    WithScale,
    WithStepRates,
)
from ..models import Headed, Linear, MLP, Raw
from ..tasks import AbstractTasks, PooledClasses
from ..transfer import (
    Baseline,
    BaselinePlusPlus,
    BDCSPN,
    Centred,
    centred,
    Constant,
    Cosine,
    encoder,
    FineTune,
    FreshHead,
    LaplacianShot,
    Logistic,
    Pooled,
    prototype_head,
    Prototypes,
    PTMAP,
    SimpleShot,
    SquaredEuclidean,
    TIM,
    Unroll,
)

LRS = (0.01, 0.1, 0.4)
L2S = (0.01, 0.1, 1.0, 10.0)
SCALES = (0.3, 1.0, 3.0)
DRAWN = 512  # training examples whose statistics a pretrained classifier keeps
QUICK = (  # those that `--quick` has time for
    "scratch",
    "raw pixels",
    "SimpleShot",
    "Baseline",
    "ProtoNet",
    "MAML",
    "R2D2",
    "TIM",
)


def scratch(*, steps: int = 50) -> Recipe:
    """No past tasks: Adam from the initial model."""
    candidates = tuple(
        FineTune(cross_entropy, lr, steps, optimiser=optax.adam) for lr in (0.001, 0.003, 0.01)
    )
    return Recipe("scratch", Setting.SCRATCH, candidates, source="learning from scratch")


def raw() -> Recipe:
    """No learning at all: the nearest class mean of inputs as they are."""
    return Recipe(
        "raw pixels", Setting.SCRATCH, _similar(), model=unlearnt, source="the nearest class mean"
    )


def chance() -> Recipe:
    """One answer for everything."""
    return Recipe(
        "chance", Setting.BOUND, (Constant(0.0),), source="one of the classes, whatever the input"
    )


def pretrained(
    name: str, candidates: tuple[AbstractAdapter, ...], classes: int, source: str
) -> Recipe:
    """A classifier of all training classes, whose features are used as `candidates` say."""
    return Recipe(
        name,
        Setting.TRANSFER,
        candidates,
        Pooled(cross_entropy),
        model=Classifying(classes),
        training_tasks=pooled,
        finish=with_training_statistics,
        source=source,
    )


def transfer(classes: int, *, steps: int = 50) -> list[Recipe]:
    """What is done with the features of a pretrained classifier, one query after the other."""
    chen = "Chen et al. 2019, A Closer Look at Few-shot Classification"
    whole = tuple(
        FreshHead(FineTune(cross_entropy, lr, steps), start=prototype_head)
        for lr in (0.001, 0.01, 0.1)
    )
    return [
        pretrained(
            "SimpleShot", (SimpleShot(), SimpleShot(False)), classes, "Wang et al. 2019, SimpleShot"
        ),
        pretrained("Baseline", tuple(Baseline(lr, 2 * steps) for lr in (0.01, 0.1)), classes, chen),
        pretrained(
            "Baseline++",
            tuple(BaselinePlusPlus(lr, 2 * steps) for lr in (0.01, 0.1)),
            classes,
            chen,
        ),
        pretrained(
            "logistic head",
            tuple(Logistic(l2) for l2 in L2S),
            classes,
            "Tian et al. 2020, A Good Embedding",
        ),
        pretrained(
            "fine-tuning",
            whole,
            classes,
            "Dhillon et al. 2020, A Baseline for Few-Shot Image Classification",
        ),
    ]


def transductive(classes: int) -> list[Recipe]:
    """What is done with the features of a pretrained classifier, all queries of a task together."""
    of = [
        ("BD-CSPN", (BDCSPN(),), "Liu, Song & Qin 2020, Prototype Rectification"),
        ("TIM", (TIM(),), "Boudiaf et al. 2020, Transductive Information Maximization"),
        ("PT-MAP", (PTMAP(),), "Hu, Gripon & Pateux 2021, Leveraging the Feature Distribution"),
        (
            "LaplacianShot",
            tuple(LaplacianShot(s) for s in SCALES),
            "Ziko et al. 2020, LaplacianShot",
        ),
    ]
    return [pretrained(name, candidates, classes, source) for name, candidates, source in of]


def metric() -> list[Recipe]:
    """Meta-learnt features for a head in closed form, or by comparison."""
    proto, relation, matching, svm, cnp, context = (
        ProtoNet(),
        RelationNetwork(),
        MatchingNetwork(),
        MetaOptNet(),
        CNP(cross_entropy),
        InContext(),
    )
    ridge = tuple(LearntRidge(scale) for scale in SCALES)
    of = [
        ("ProtoNet", (proto.adapter,), proto, unchanged, "Snell, Swersky & Zemel 2017"),
        ("matching network", (matching.adapter,), matching, unchanged, "Vinyals et al. 2016"),
        ("relation network", (relation.adapter,), relation, related, "Sung et al. 2018"),
        ("R2D2", ridge, R2D2(cross_entropy), ridged, "Bertinetto et al. 2019"),
        ("MetaOptNet", (svm.adapter,), svm, scaled, "Lee et al. 2019"),
        ("CNP", (cnp.adapter,), cnp, amortised, "Garnelo et al. 2018"),
        (
            "in-context",
            (context.adapter,),
            context,
            in_context,
            "Mishra et al. 2018; Garg et al. 2022",
        ),
    ]
    return [
        Recipe(name, Setting.META, candidates, method, model=model, source=source)
        for name, candidates, method, model, source in of
    ]


def gradient_based(*, steps: int = 10) -> list[Recipe]:
    """Meta-learnt initialisations."""
    tuned = tuple(FineTune(cross_entropy, lr, steps) for lr in LRS)
    heads = tuple(FineTune(cross_entropy, lr, steps, where=head) for lr in LRS)
    bodies = tuple(FineTune(cross_entropy, lr, steps, where=body) for lr in LRS)
    prototypes = tuple(PrototypeDescent(cross_entropy, lr, steps) for lr in (0.003, 0.01, 0.03))
    stepped = tuple(SteppedDescent(cross_entropy, 5, scale) for scale in SCALES)
    first = MAML(cross_entropy, 0.4, unroll=Unroll.FIRST_ORDER)
    plus = MAMLPlusPlus(cross_entropy, 5, multi_step=200)
    of = [
        ("MAML", tuned, MAML(cross_entropy, 0.4), unchanged, "Finn, Abbeel & Levine 2017, MAML"),
        ("FOMAML", tuned, first, unchanged, "Finn, Abbeel & Levine 2017, MAML, §5.2"),
        ("Reptile", tuned, Reptile(cross_entropy, 0.1), unchanged, "Nichol et al. 2018"),
        ("ANIL", heads, ANIL(cross_entropy, 0.4, 5), unchanged, "Raghu et al. 2020"),
        ("BOIL", bodies, BOIL(cross_entropy, 0.4), unchanged, "Oh et al. 2021"),
        ("MAML++", stepped, plus, stepwise, "Antoniou, Edwards & Storkey 2019"),
        (
            "Proto-MAML",
            prototypes,
            ProtoMAML(cross_entropy, 0.01, 3),
            unchanged,
            "Triantafillou et al. 2020",
        ),
    ]
    return [
        Recipe(name, Setting.META, candidates, method, model=model, source=source)
        for name, candidates, method, model, source in of
    ]


def standard(classes: int, *, steps: int = 10) -> list[Recipe]:
    """All of the above, in the order of the table.

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


def _similar() -> tuple[AbstractAdapter, ...]:
    return (Prototypes(SquaredEuclidean()), Prototypes(Cosine()))


# What recipes make of the common model, which has features and a linear head.


def unchanged(model: Model, key: Key[Array, ""]) -> Model:
    """The common model."""
    del key
    return model


def unlearnt(model: Model, key: Key[Array, ""]) -> Headed:
    """No model at all."""
    del model, key
    return Headed(Raw(), None)


class Classifying(eqx.Module):
    """Gives the common model a head for so many classes."""

    classes: int

    def __call__(self, model: Any, key: Key[Array, ""]) -> Model:
        return eqx.tree_at(head, model, Linear(size(model), self.classes, key=key))


def related(model: Model, key: Key[Array, ""]) -> WithRelation:
    """The model of a relation network."""
    return WithRelation(encoder(model), MLP(2 * size(model), 1, width=64, depth=1, key=key))


def ridged(model: Model, key: Key[Array, ""]) -> WithRidge:
    """The model of R2D2."""
    del key
    return WithRidge(model, scale=1.0)


def scaled(model: Model, key: Key[Array, ""]) -> WithScale:
    """The model of MetaOptNet."""
    del key
    return WithScale(model)


def stepwise(model: Model, key: Key[Array, ""]) -> WithStepRates:
    """The model of MAML++."""
    del key
    return WithStepRates(model)


def amortised(model: Model, key: Key[Array, ""]) -> NeuralProcessClassifier:
    """The model of a conditional neural process."""
    return NeuralProcessClassifier(encoder(model), size=size(model), key=key)


def in_context(model: Model, key: Key[Array, ""]) -> InContextClassifier:
    """The model of an in-context learner."""
    return InContextClassifier(encoder(model), size=size(model), key=key)


def size(model: Any) -> int:
    """How many features the head of a model sees."""
    return head(model).weight.shape[0]


# What recipes of transfer learning train on, and what they leave behind.


def pooled(tasks: Any, key: Key[Array, ""]) -> PooledClasses:
    """All training classes as one task; as many at a time as there are, where those are fewer than a batch."""
    del key
    half = min(PooledClasses.shots, tasks.train.examples // 2)
    return PooledClasses(tasks, shots=half, queries=half)


def with_training_statistics(model: Model, tasks: AbstractTasks, key: Key[Array, ""]) -> Model:
    """The features of a pretrained classifier, normalised and centred by statistics of training examples."""
    drawn = tasks.draw(DRAWN // (tasks.shots + tasks.queries), Split.TRAIN, key=key)
    xs = jnp.concatenate([drawn.support.x, drawn.query.x], axis=1)
    return normalised_by(model, xs.reshape(-1, *xs.shape[2:]))


def normalised_by(model: Model, xs: Shaped[Array, "points *in"]) -> Centred:
    """The features of a model, normalised and centred by statistics of the examples `xs` for good."""
    return centred(settled(model, Batch(xs, jnp.zeros((len(xs), 1), xs.dtype))), xs)
