"""Our balancers of inner products and TorchJD's on the same random gradients."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls

torch = pytest.importorskip("torch", reason="PyTorch, which TorchJD needs, is not installed")
aggregation = pytest.importorskip(
    "torchjd.aggregation", reason="TorchJD is not installed: nothing to compare with"
)

RNG = np.random.default_rng(0)
GRADS = RNG.normal(size=(4, 6, 20)).astype(np.float32)  # draws, tasks, parameters
SCALES = ls.multitask.AlignedScale


def projector():
    """A projector that adds nothing to the diagonal."""
    from torchjd._linalg import QuadprogProjector

    return QuadprogProjector(norm_eps=0.0, reg_eps=1e-9)


PAIRS = {
    "upgrad": (ls.UPGrad(), lambda: aggregation.UPGrad(projector=projector())),
    "dualproj": (ls.multitask.DualProj(), lambda: aggregation.DualProj(projector=projector())),
    "cagrad": (ls.CAGrad(c=0.4), lambda: aggregation.CAGrad(c=0.4, norm_eps=1e-9)),
    "nash-mtl": (ls.NashMTL(), lambda: aggregation.NashMTL(n_tasks=6)),
    "aligned-mtl": (ls.multitask.AlignedMTL(), lambda: aggregation.AlignedMTL()),
    "aligned-mtl, median": (
        ls.multitask.AlignedMTL(scale=SCALES.MEDIAN),
        lambda: aggregation.AlignedMTL(scale_mode="median"),
    ),
    "aligned-mtl, rmse": (
        ls.multitask.AlignedMTL(scale=SCALES.RMSE),
        lambda: aggregation.AlignedMTL(scale_mode="rmse"),
    ),
    "fairgrad": (ls.multitask.FairGrad(alpha=2.0), lambda: aggregation.FairGrad(alpha=2.0)),
    "config": (ls.multitask.ConFIG(), lambda: aggregation.ConFIG()),
    "pcd": (ls.multitask.PCD(num_tasks=6, tau=0.1), lambda: aggregation.PCD(tau=0.1)),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PAIRS)
def test_directions_are_those_of_torchjd(name):
    method, make = PAIRS[name]
    for jacobian in GRADS:
        ours = method.direction(jnp.asarray(jacobian))
        theirs = make()(torch.from_numpy(jacobian)).numpy()
        assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


def test_mgda_is_the_point_that_theirs_approaches():
    """Theirs takes Frank-Wolfe steps within the hull of the gradients, of which ours is the
    shortest vector: the product of any other with it is at least its square. Krum is left out,
    because theirs sums distances, not squares."""
    for jacobian in GRADS:
        ours = np.asarray(ls.MGDA().direction(jnp.asarray(jacobian)))
        theirs = aggregation.MGDA(epsilon=1e-9, max_iters=2000)(torch.from_numpy(jacobian)).numpy()
        assert ours @ theirs >= ours @ ours * (1 - 1e-5)
        assert theirs @ theirs <= 1.01 * ours @ ours


def test_the_direction_of_imtlg_is_theirs_or_the_opposite():
    """The sign is the one that makes no task worse."""
    for jacobian in GRADS:
        ours = np.asarray(ls.IMTLG().direction(jnp.asarray(jacobian)))
        theirs = aggregation.IMTLG()(torch.from_numpy(jacobian)).numpy()
        theirs = theirs * np.sign((jacobian @ theirs).mean())
        assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


def test_of_two_tasks_pcgrad_and_gradient_vaccine_are_theirs():
    """With more tasks, the orders in which they meet are drawn differently."""
    vaccine = ls.multitask.GradVac(num_tasks=2, beta=0.3)
    theirs, state = aggregation.GradVac(beta=0.3), jnp.zeros((2, 2))
    stats = ls.multitask.TaskStats(jnp.ones(2), jnp.ones(2, bool), jnp.arange(2))
    for jacobian in GRADS[:, :2]:
        direction, state = vaccine.balance(jnp.asarray(jacobian), stats, state, key=jr.key(0))
        vaccinated = theirs(torch.from_numpy(jacobian)).numpy()
        assert np.allclose(direction, vaccinated, rtol=1e-4, atol=1e-4)
        projected = aggregation.PCGrad()(torch.from_numpy(jacobian)).numpy()
        ours = ls.PCGrad().direction(jnp.asarray(jacobian))
        assert np.allclose(ours, projected, rtol=1e-4, atol=1e-4)


def test_remembered_weights_are_theirs():
    stats = ls.multitask.TaskStats(jnp.ones(6), jnp.ones(6, bool), jnp.arange(6))
    pairs = {
        ls.multitask.MoDo(num_tasks=6, gamma=0.01): aggregation.MoDoWeighting(gamma=0.01),
        ls.multitask.SDMGrad(num_tasks=6): aggregation.SDMGradWeighting(),
        ls.multitask.CRMOGM(ls.UPGrad(), num_tasks=6): aggregation.CRMOGMWeighting(
            aggregation.UPGradWeighting(projector=projector())
        ),
    }
    for method, weighting in pairs.items():
        state = method.init(jnp.zeros(20))
        for jacobian in GRADS:
            gramian = jacobian @ jacobian.T
            weights, state = method.weigh(jnp.asarray(gramian), stats, state, key=jr.key(0))
            theirs = weighting(torch.from_numpy(gramian)).numpy()
            assert np.allclose(weights, theirs, rtol=1e-3, atol=1e-4)
