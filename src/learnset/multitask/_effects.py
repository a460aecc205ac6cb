"""Linear models with effects that all tasks share and effects of single tasks, from sums over the
points of each task."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ._moments import Moments


class Solved(NamedTuple):
    """The effects under given penalties: those that all tasks share, and those of single tasks; and
    what the likelihood needs of each task's penalised matrix."""

    shared: Float[np.ndarray, "fixed out"]
    own: Float[np.ndarray, "tasks effects out"]
    inverse: Float[np.ndarray, "tasks effects effects"]
    logdet: Float[np.ndarray, "tasks"]


class Normal(NamedTuple):
    """The normal equations of `y = f'a + z'u_t` about the means of all points: `f = [1, x]` has
    effects that all tasks share, and `z` effects of single tasks. `turn` makes `z` of the first
    columns of `f`."""

    ff: Float[np.ndarray, "fixed fixed"]
    fy: Float[np.ndarray, "fixed out"]
    zz: Float[np.ndarray, "tasks effects effects"]
    zf: Float[np.ndarray, "tasks effects fixed"]
    zy: Float[np.ndarray, "tasks effects out"]
    turn: Float[np.ndarray, "effects effects"]

    def solved(
        self, shared: Float[np.ndarray, "fixed"], own: Float[np.ndarray, "effects"]
    ) -> Solved:
        """The effects under penalties of both kinds."""
        penalised = self.zz + np.diag(own)
        if penalised.shape[1] == 1:
            inverse, logdet = 1 / penalised, np.log(penalised[:, 0, 0])
        else:
            inverse, logdet = np.linalg.inv(penalised), np.linalg.slogdet(penalised)[1]
        alone = np.matmul(inverse, self.zy)  # each task's own effects, if there were no others
        if self.zf.shape[2] == len(own):
            # All inputs have slopes: `f = z back`, so that the sum over tasks is of inverses alone.
            back = np.linalg.inv(self.turn)
            kept = len(inverse) * np.diag(own) - own[:, None] * inverse.sum(axis=0) * own
            system = back.T @ kept @ back
            right = back.T @ (own[:, None] * alone.sum(axis=0))
            effects = np.linalg.solve(system + np.diag(shared), right)
            back_of = back @ effects
            return Solved(
                effects, alone - back_of + inverse @ (own[:, None] * back_of), inverse, logdet
            )
        left = np.matmul(inverse, self.zf)  # "tasks effects fixed"
        system = self.ff - np.tensordot(self.zf, left, ((0, 1), (0, 1)))
        right = self.fy - np.tensordot(left, self.zy, ((0, 1), (0, 1)))
        effects = np.linalg.solve(system + np.diag(shared), right)
        return Solved(effects, alone - left @ effects, inverse, logdet)


def with_offsets(sums: Moments) -> Normal:
    """The equations of tasks that differ in an offset."""
    x, y = sums.between
    n = sums.weight[:, None, None]
    f = np.concatenate([np.ones((len(x), 1)), x], axis=1)[:, None]  # "tasks 1 fixed"
    gram, cross = sums.within_all
    ff = np.einsum("t,tif,tig->fg", sums.weight, f, f)
    fy = np.einsum("t,tif,to->fo", sums.weight, f, y)
    ff[1:, 1:] += gram
    fy[1:] += cross
    return Normal(ff, fy, n, n * f, n * y[:, None], np.ones((1, 1)))


def with_slopes(sums: Moments, middle: Float[np.ndarray, "in"]) -> Normal:
    """The equations of tasks that differ in an offset and in slopes, which turn about `middle`."""
    gram, cross = sums.of_tasks
    turn = np.eye(gram.shape[1])
    turn[0, 1:] = sums.x_centre - middle  # z = f @ turn: the inputs about `middle`
    zz, zf, zy = turn.T @ gram @ turn, turn.T @ gram, turn.T @ cross
    return Normal(gram.sum(axis=0), cross.sum(axis=0), zz, zf, zy, turn)
