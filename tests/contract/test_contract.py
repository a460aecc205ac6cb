"""Every method, adapter and family keeps its promises, and one that does not is found out."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.core._tree import head

SINES = ls.Sinusoids(shots=5, queries=6)
NUMBERED = ls.FiniteTasks.from_family(SINES, num_tasks=5, points=12, held_out=14, key=jr.key(0))


def net(in_size=1):
    return ls.MLP(in_size, 1, width=8, depth=1, activation=jnp.tanh, key=jr.key(1))


def separate():
    return ls.models.separate(
        lambda key: ls.MLP(1, 1, width=4, depth=1, activation=jnp.tanh, key=key), 5, key=jr.key(1)
    )


def body(in_size=1):
    return ls.SharedBody(net(in_size), num_tasks=5, key=jr.key(2))


OF_TASKS = {"num_tasks": 5, "width": 4, "activation": jnp.tanh, "key": jr.key(2)}
TARGETS = ls.ManyTargets.from_arrays(
    np.linspace(-1, 1, 60)[:, None],
    np.sin(np.linspace(-1, 1, 60)[:, None] * [1, 2, 3, 4, 5]),
    shots=5,
    queries=6,
)


BLOBS = ls.Episodes(
    *ls.data.Labelled.from_arrays(
        np.random.default_rng(0).normal(size=(48, 2)) + np.repeat(np.eye(12, 2), 4, axis=0),
        np.repeat(np.arange(12), 4),
    ).split((4, 4, 4)),
    ways=3,
    shots=2,
    queries=2,
)


def classifier():
    return ls.MLP(2, 3, width=8, depth=1, activation=jnp.tanh, key=jr.key(1))


class Norms(ls.AbstractGramian):
    """A balancer that scales the gradient of each task to length one."""

    loss: ls.core.Loss = ls.mse

    def weights(self, gramian, present, *, key):
        inverse = 1 / jnp.sqrt(jnp.diagonal(gramian))
        return inverse / inverse.sum()


# Methods, the models that they need, and tasks.
METHODS = {
    "pooled": (ls.Pooled, net, SINES),
    "pooled, shared body": (
        ls.Pooled,
        lambda: ls.SharedBody(net(), num_tasks=5, key=jr.key(2)),
        NUMBERED,
    ),
    "maml": (lambda: ls.MAML(steps=2, inner_lr=0.05), net, SINES),
    "maml, remat": (lambda: ls.MAML(steps=2, unroll=ls.transfer.Unroll.REMAT), net, SINES),
    "maml, first order": (
        lambda: ls.MAML(steps=2, unroll=ls.transfer.Unroll.FIRST_ORDER),
        net,
        SINES,
    ),
    "maml without steps": (lambda: ls.MAML(steps=0), net, SINES),
    "anil": (lambda: ls.ANIL(steps=2, inner_lr=0.05), net, SINES),
    "reptile": (lambda: ls.Reptile(steps=3, points=4), net, SINES),
    "reptile, all points": (lambda: ls.Reptile(steps=3, points=None), net, SINES),
    "meta-sgd": (ls.MetaSGD, lambda: ls.meta.WithRates(net(), 0.05), SINES),
    "cavia": (lambda: ls.CAVIA(inner_lr=0.1), lambda: ls.meta.WithContext(net(3), 2), SINES),
    "imaml": (lambda: ls.IMAML(steps=4, cg_steps=3), net, SINES),
    "r2d2": (ls.R2D2, lambda: ls.meta.WithRidge(net()), SINES),
    "cnp": (
        ls.CNP,
        lambda: ls.models.ConditionalNeuralProcess(1, 1, width=8, depth=1, key=jr.key(1)),
        SINES,
    ),
    "proto-maml": (
        lambda: ls.ProtoMAML(inner_lr=0.05, steps=2),
        lambda: ls.models.Headed(classifier(), None),
        BLOBS,
    ),
    "boil": (lambda: ls.BOIL(inner_lr=0.05), classifier, BLOBS),
    "maml++": (
        lambda: ls.MAMLPlusPlus(steps=2),
        lambda: ls.meta.WithStepRates(classifier(), 2, 0.05),
        BLOBS,
    ),
    "cnp, classes": (
        lambda: ls.CNP(ls.cross_entropy),
        lambda: ls.meta.NeuralProcessClassifier(classifier(), size=8, width=8, key=jr.key(1)),
        BLOBS,
    ),
    "in context": (
        ls.meta.InContext,
        lambda: ls.meta.InContextClassifier(
            classifier(), size=8, width=8, heads=2, depth=1, key=jr.key(1)
        ),
        BLOBS,
    ),
    "table pfn": (
        ls.meta.TablePFN,
        lambda: ls.models.TableTransformer(width=4, heads=2, depth=1, thinking=1, key=jr.key(1)),
        SINES,
    ),
    "dan": (lambda: ls.transfer.DAN(ls.mse), net, SINES),
    "mcc": (ls.transfer.MCC, classifier, BLOBS),
    "dann": (
        lambda: ls.transfer.DANN(ls.mse, reversal=0.01),
        lambda: ls.transfer.WithDiscriminator(net(), 8, 4, key=jr.key(3)),
        SINES,
    ),
    "cdan": (
        lambda: ls.transfer.CDAN(reversal=0.01),
        lambda: ls.transfer.CDAN(width=4).prepare(classifier(), key=jr.key(3)),
        BLOBS,
    ),
    "soft sharing": (lambda: ls.SoftSharing(to_zero=0.01, to_mean=0.1), separate, NUMBERED),
    "gramian": (Norms, net, SINES),
    "layerwise": (lambda: ls.multitask.Layerwise(Norms()), body, NUMBERED),
    "layerwise, by chunks": (lambda: ls.multitask.Layerwise(Norms(), chunk=2), net, SINES),
    "at representation": (lambda: ls.multitask.AtRepresentation(Norms()), body, TARGETS),
    "gramian, cross-stitch": (Norms, lambda: ls.models.CrossStitch(1, 1, **OF_TASKS), NUMBERED),
    "gramian, mtan": (
        Norms,
        lambda: ls.models.MTAN(1, 1, num_tasks=5, width=4, key=jr.key(2)),
        NUMBERED,
    ),
    "gramian, mmoe": (Norms, lambda: ls.models.MMoE(1, 1, **OF_TASKS), NUMBERED),
    "gramian, cgc": (Norms, lambda: ls.models.CGC(1, 1, **OF_TASKS), NUMBERED),
    "layerwise, ple": (
        lambda: ls.multitask.Layerwise(Norms()),
        lambda: ls.models.PLE(1, 1, **OF_TASKS),
        NUMBERED,
    ),
    "pooled, dselect-k": (
        lambda: ls.Pooled(ls.models.Penalised(ls.mse, ls.models.gate_entropy)),
        lambda: ls.models.DSelectK(1, 1, **OF_TASKS),
        NUMBERED,
    ),
    "pooled, low rank": (
        lambda: ls.Pooled(ls.models.Penalised(ls.mse, ls.models.code_size)),
        lambda: ls.models.LowRank(1, 1, num_tasks=5, rank=2, key=jr.key(2)),
        NUMBERED,
    ),
    "pooled, clustered": (
        ls.Pooled,
        lambda: ls.models.clustered(lambda k: net(), clusters=2, num_tasks=5, key=jr.key(2)),
        NUMBERED,
    ),
    "pooled, embedding": (
        ls.Pooled,
        lambda: ls.models.TaskEmbedding(net(3), num_tasks=5, size=2, key=jr.key(2)),
        NUMBERED,
    ),
    "by kind": (
        lambda: ls.Mean(ls.models.by_kind),
        lambda: ls.models.Kinds(
            body(), [ls.models.Kind.REGRESSION] * 5, in_sizes=[1] * 5, out_sizes=[1] * 5
        ),
        NUMBERED,
    ),
    "sum": (ls.multitask.Sum, net, SINES),
    "fixed weights": (
        lambda: ls.multitask.FixedWeights(weights=jnp.array([1.0, 2.0, 0.5, 1.0, 1.5])),
        net,
        NUMBERED,
    ),
    "uw": (lambda: ls.UW(num_tasks=5), net, NUMBERED),
    "uw, classification, positive": (
        lambda: ls.UW(num_tasks=5, classification=True, positive=True),
        net,
        NUMBERED,
    ),
    "imtl-l": (lambda: ls.multitask.IMTLL(num_tasks=5), net, NUMBERED),
    "dwa": (lambda: ls.multitask.DWA(num_tasks=5, window=2), net, NUMBERED),
    "gls": (ls.multitask.GLS, net, SINES),
    "rlw": (ls.multitask.RLW, net, SINES),
    "stch": (lambda: ls.multitask.STCH(num_tasks=5, warmup=2, window=2), net, NUMBERED),
    "famo": (lambda: ls.FAMO(num_tasks=5), net, NUMBERED),
    "famo, shared body": (
        lambda: ls.FAMO(num_tasks=5),
        lambda: ls.SharedBody(net(), num_tasks=5, key=jr.key(2)),
        NUMBERED,
    ),
    "cosmos": (ls.multitask.COSMOS, net, SINES),
    "pbi": (lambda: ls.multitask.PBI(penalty=0.5), net, SINES),
    "gradnorm": (lambda: ls.GradNorm(num_tasks=5), net, NUMBERED),
    "graddrop": (ls.multitask.GradDrop, net, SINES),
    "mgda": (ls.MGDA, net, SINES),
    "pcgrad": (ls.PCGrad, net, SINES),
    "cagrad": (ls.CAGrad, net, SINES),
    "imtl-g": (ls.IMTLG, net, SINES),
    "nash-mtl": (ls.NashMTL, net, SINES),
    "upgrad": (ls.UPGrad, net, SINES),
    "dualproj": (ls.multitask.DualProj, net, SINES),
    "fairgrad": (lambda: ls.multitask.FairGrad(alpha=2.0), net, SINES),
    "config": (ls.multitask.ConFIG, net, SINES),
    "aligned-mtl": (ls.multitask.AlignedMTL, net, SINES),
    "krum": (lambda: ls.multitask.Krum(num_selected=3), net, SINES),
    "gradvac": (lambda: ls.multitask.GradVac(num_tasks=5), net, NUMBERED),
    "modo": (lambda: ls.multitask.MoDo(num_tasks=5), net, NUMBERED),
    "sdmgrad": (lambda: ls.multitask.SDMGrad(num_tasks=5), net, NUMBERED),
    "cr-mogm": (lambda: ls.multitask.CRMOGM(ls.UPGrad(), num_tasks=5), net, NUMBERED),
    "pcd": (lambda: ls.multitask.PCD(num_tasks=5), net, NUMBERED),
    "moco": (lambda: ls.multitask.MoCo(num_tasks=5), net, NUMBERED),
    "db-mtl": (lambda: ls.multitask.DBMTL(num_tasks=5), net, NUMBERED),
    "db-mtl, shared body": (
        lambda: ls.multitask.DBMTL(num_tasks=5),
        lambda: ls.SharedBody(net(), num_tasks=5, key=jr.key(2)),
        NUMBERED,
    ),
    "excessmtl": (lambda: ls.multitask.ExcessMTL(num_tasks=5), net, NUMBERED),
    "trimmed mean": (ls.multitask.TrimmedMean, net, SINES),
    "metabalance": (lambda: ls.multitask.MetaBalance(num_tasks=5), net, NUMBERED),
    "auto-lambda": (lambda: ls.multitask.AutoLambda(num_tasks=5), net, NUMBERED),
    "moml": (lambda: ls.multitask.MOML(num_tasks=5), net, NUMBERED),
    "forum": (lambda: ls.multitask.FORUM(num_tasks=5, inner_lr=0.05), net, NUMBERED),
    "forum, shared body": (
        lambda: ls.multitask.FORUM(num_tasks=5, inner_lr=0.05),
        lambda: ls.SharedBody(net(), num_tasks=5, key=jr.key(2)),
        NUMBERED,
    ),
}


# Variants of what is checked anyway, and models that take long to compile.
SLOW = {
    "pooled, shared body",
    "maml, remat",
    "maml, first order",
    "maml without steps",
    "reptile, all points",
    "proto-maml",
    "boil",
    "maml++",
    "cnp, classes",
    "in context",
    "layerwise, by chunks",
    "pooled, low rank",
    "pooled, clustered",
    "pooled, embedding",
    "by kind",
    "uw, classification, positive",
    "famo, shared body",
    "db-mtl, shared body",
    "forum, shared body",
    "as is, shared body",
    "fine-tune the head",
    "numbered, unequal",
    "meta-sgd's sines",
    "reptile's sines",
    "at representation",
    "auto-lambda",
    "cagrad",
    "cavia",
    "cdan",
    "dann",
    "fairgrad",
    "forum",
    "gradvac",
    "imaml",
    "mcc",
    "moml",
    "proximal descent",
    "soft sharing",
}


# Networks that take three seconds and more to compile; each has tests of its own.
LONG = {
    "gramian, cross-stitch",
    "gramian, mtan",
    "gramian, mmoe",
    "gramian, cgc",
    "layerwise, ple",
    "pooled, dselect-k",
}


def cases(names):
    """The names, those that are slow marked as such."""
    marks = dict.fromkeys(SLOW, [pytest.mark.slow]) | dict.fromkeys(LONG, [pytest.mark.long])
    return [pytest.param(name, marks=marks.get(name, [])) for name in names]


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    """Nearly all the time here is compilation, and promises hold with any optimisation."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


# The checks call a method some thirty times without `jit`; this compiles it once for each shape.
class CompiledMethod(ls.AbstractMethod):
    method: ls.AbstractMethod

    def init(self, model):
        return self.method.init(model)

    def gradient(self, model, tasks, state, *, key):
        return _gradient(self.method, model, tasks, state, key)


_gradient = eqx.filter_jit(
    lambda method, model, tasks, state, key: method.gradient(model, tasks, state, key=key)
)


def check_method(method, model, tasks, **tolerance):
    ls.checks.method(CompiledMethod(method), model, tasks, **tolerance)


@pytest.mark.parametrize("name", cases(METHODS))
def test_every_method_keeps_its_promises(name):
    method, model, tasks = METHODS[name]
    check_method(method(), model(), tasks)


@pytest.mark.slow
def test_a_method_keeps_its_promises_in_double_precision():
    with jax.enable_x64(True):
        check_method(ls.MAML(steps=2, inner_lr=0.05), net(), SINES, tolerance=1e-9)


# Adapters, the models that they need, and tasks.
ADAPTERS = {
    "as is": (ls.transfer.AsIs, net, SINES),
    "as is, shared body": (
        ls.transfer.AsIs,
        lambda: ls.SharedBody(net(), num_tasks=5, key=jr.key(2)),
        NUMBERED,
    ),
    "fine-tune": (lambda: ls.FineTune(lr=0.05, steps=3), net, SINES),
    "fine-tune the head": (lambda: ls.FineTune(lr=0.05, steps=3, where=head), net, SINES),
    "lora": (lambda: ls.transfer.LoRA(lr=0.05, steps=3), net, SINES),
    "penalty and pace": (
        lambda: ls.FineTune(
            lr=0.05, steps=3, penalty=ls.transfer.DELTA(), pace=ls.transfer.LayerwiseRates()
        ),
        net,
        SINES,
    ),
    "ridge": (ls.Ridge, net, SINES),
    "context descent": (
        lambda: ls.meta.ContextDescent(lr=0.1, steps=2),
        lambda: ls.meta.WithContext(net(3), 2),
        SINES,
    ),
    "proximal descent": (lambda: ls.meta.ProximalDescent(steps=3), net, SINES),
    "rated descent": (
        lambda: ls.meta.RatedDescent(steps=2),
        lambda: ls.meta.WithRates(net(), 0.05),
        SINES,
    ),
    "learnt ridge": (ls.meta.LearntRidge, lambda: ls.meta.WithRidge(net()), SINES),
    "amortised": (ls.meta.Amortised, METHODS["cnp"][1], SINES),
}
# Methods that are adapters too.
LEARNERS = ("maml", "anil", "reptile", "meta-sgd", "cavia", "imaml", "r2d2", "cnp")
CLASSIFIERS = ("proto-maml", "boil", "maml++", "cnp, classes", "in context")


@pytest.mark.parametrize("name", cases((*ADAPTERS, *LEARNERS, *CLASSIFIERS)))
def test_every_adapter_keeps_its_promises(name):
    adapter, model, tasks = (ADAPTERS | METHODS)[name]
    ls.checks.adapter(adapter(), model(), tasks)


@pytest.mark.slow
def test_an_adapter_keeps_its_promises_in_double_precision():
    with jax.enable_x64(True):
        ls.checks.adapter(ls.Ridge(), net(), SINES, tolerance=1e-9)


FAMILIES = {
    "sines": SINES,
    "sines on a half": ls.Sinusoids(shots=5, queries=6, support_inputs=(0.0, 5.0)),
    "meta-sgd's sines": ls.Sinusoids.meta_sgd(),
    "reptile's sines": ls.Sinusoids.reptile(),
    "linear": ls.LinearGaussian(),
    "linear, with siblings": ls.tasks.RelatedGaussian(siblings=2),
    "unrelated": ls.Unrelated(),
    "revealed": ls.tasks.Revealed(SINES),
    "many targets": TARGETS,
    "numbered": NUMBERED,
    "numbered, unequal": ls.FiniteTasks.from_arrays(
        np.arange(30.0)[:, None],
        np.arange(30.0)[:, None],
        np.repeat([0, 1, 2], [6, 10, 14]),
        shots=3,
        queries=4,
    ),
}


@pytest.mark.parametrize("name", cases(FAMILIES))
def test_every_family_keeps_its_promises(name):
    ls.checks.tasks(FAMILIES[name])


def test_a_family_keeps_its_promises_in_double_precision():
    with jax.enable_x64(True):
        ls.checks.tasks(SINES)
        assert SINES.draw(4, ls.Split.TRAIN, key=jr.key(0)).query.y.dtype == jnp.float64


def unweighted(predictor, batch):
    """A loss that forgets that points may be absent."""
    return jnp.mean((ls.predict(predictor, batch.x) - batch.y) ** 2)


class Spoilt(ls.Pooled):
    """The pooled gradient with a defect."""

    spoil: Callable = eqx.field(static=True, default=lambda grads, metrics, tasks: (grads, metrics))

    def gradient(self, model, tasks, state, *, key):
        grads, state, metrics = super().gradient(model, tasks, state, key=key)
        grads, metrics = self.spoil(grads, metrics, tasks)
        return grads, state, metrics


def scaled(grads, factor):
    return jax.tree.map(lambda leaf: factor * leaf, grads)


BAD_METHODS = {
    "ignores weights": (ls.Pooled(unweighted), "5. points of weight zero change nothing"),
    "other structure": (
        Spoilt(spoil=lambda g, m, _: (g.head, m)),
        "1. the gradient has the structure and shapes",
    ),
    "not finite": (
        Spoilt(spoil=lambda g, m, _: (scaled(g, jnp.nan), m)),
        "1. the gradient is finite",
    ),
    "no loss": (
        Spoilt(spoil=lambda g, m, _: (g, {"error": m["loss"]})),
        "2. `metrics` has a scalar `loss`",
    ),
    "order of tasks": (
        Spoilt(spoil=lambda g, m, tasks: (scaled(g, tasks.latents[0, 0]), m)),
        "4. the order of tasks",
    ),
    "uphill": (
        Spoilt(spoil=lambda g, m, _: (scaled(g, -1.0), m)),
        "7. small steps against the gradient",
    ),
}


@pytest.mark.parametrize("method, promise", BAD_METHODS.values(), ids=BAD_METHODS)
def test_the_promise_that_a_method_breaks_is_named(method, promise):
    with pytest.raises(AssertionError, match=promise):
        check_method(method, net(), SINES)


class LastPoint(ls.AbstractAdapter):
    """Predicts the last target, whatever came before."""

    def adapt(self, model, support):
        return lambda x: support.y[-1]


class Overshooting(ls.FineTune):
    """Traces more steps than it takes."""

    def trace(self, model, support, observe):
        return ls.FineTune(self.loss, self.lr, self.steps + 1).trace(model, support, observe)


BAD_ADAPTERS = {
    "order of points": (LastPoint(), "2. the order of points does not matter"),
    "ignores weights": (
        ls.FineTune(unweighted, 0.05, steps=2),
        "3. points of weight zero change nothing",
    ),
    "another trace": (Overshooting(ls.mse, 0.05, steps=2), "5. `trace` ends where `adapt` ends"),
    "not finite": (ls.FineTune(ls.mse, 1e30, steps=3), "1. predictions are finite"),
}


@pytest.mark.parametrize("adapter, promise", BAD_ADAPTERS.values(), ids=BAD_ADAPTERS)
def test_the_promise_that_an_adapter_breaks_is_named(adapter, promise):
    with pytest.raises(AssertionError, match=promise):
        ls.checks.adapter(adapter, net(), SINES)


class SpoiltTasks(ls.Sinusoids):
    """Sinusoids with a defect in how they are drawn."""

    spoil: Callable = eqx.field(static=True, default=None)

    def draw(self, num_tasks, split, *, key):
        return self.spoil(
            lambda split, key: super(SpoiltTasks, self).draw(num_tasks, split, key=key), split, key
        )


def with_targets(tasks, value):
    return eqx.tree_at(lambda t: t.query.y, tasks, jnp.full_like(tasks.query.y, value))


BAD_FAMILIES = {
    "one split": (
        lambda draw, split, key: draw(ls.Split.TRAIN, key),
        "4. TRAIN and VALIDATION queries differ",
    ),
    "one task": (
        lambda draw, split, key: draw(split, jr.key(0)),
        "1. another key gives other tasks",
    ),
    "too few points": (
        lambda draw, split, key: eqx.tree_at(
            lambda t: t.support, draw(split, key), draw(split, key).support.first(3)
        ),
        "2. support sets have 5 points",
    ),
    "infinite targets": (
        lambda draw, split, key: with_targets(draw(split, key), jnp.inf),
        "3. query targets that count",
    ),
}


@pytest.mark.parametrize("spoil, promise", BAD_FAMILIES.values(), ids=BAD_FAMILIES)
def test_the_promise_that_a_family_breaks_is_named(spoil, promise):
    with pytest.raises(AssertionError, match=promise):
        ls.checks.tasks(SpoiltTasks(5, 6, spoil=spoil))
