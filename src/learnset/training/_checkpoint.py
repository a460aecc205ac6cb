"""Checkpoints of a training run.

Each is a sealed file of arrays and JSON, written under another name and then renamed, so that a
kill at any instant leaves the one before it, and a changed bit is noticed."""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import PyTree

from ..core import describe, InputError, is_key, writing
from ._identity import difference
from ._processes import from_first, here, is_first
from ._sealed import read_arrays, write_arrays

KIND = "checkpoint 3"  # up to 2 they were written by Orbax
_REMEDY = "Begin a new run, with `overwrite` or in another folder."
_KEPT = 2


class Saved(NamedTuple):
    """What a checkpoint holds: the state after `step` steps, the lines of `metrics.jsonl` up to
    then, the metrics of the unfinished window, the seconds that it took, and scores by step."""

    step: int
    state: PyTree
    log: str = ""
    window: dict[str, np.ndarray] = {}
    seconds: float = 0.0
    scores: dict[int, np.ndarray] = {}


class Checkpoints:
    """The checkpoints of one run in one folder; the last two are kept.

    **Arguments:**

    - `folder`: where they are kept; created if necessary.
    - `identities`: of each part that the run is made of, as `identity` returns it. `restore`
      refuses a checkpoint whose parts have other identities.
    """

    def __init__(self, folder: Path, identities: dict[str, dict[str, Any]]):
        self.folder, self.identities = Path(folder), identities

    def steps(self) -> list[int]:
        """The steps with a checkpoint, the last one first."""
        names = (path.stem for path in self.folder.glob("*.checkpoint"))
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)

    def path(self, step: int) -> Path:
        """The file of a step."""
        return self.folder / f"{step}.checkpoint"

    def save(self, saved: Saved) -> None:
        """Writes a checkpoint, and deletes those before the last two; of processes that train
        together, the first does.

        **Raises:** `NotWrittenError` if the disk is full, and the like; those before are kept then.
        """
        saved = saved._replace(state=here(saved.state))
        arrays = {f"state {i}": leaf for i, leaf in enumerate(_raw_leaves(saved.state))}
        arrays |= {f"window {name}": values for name, values in saved.window.items()}
        arrays |= {f"score {step}": values for step, values in saved.scores.items()}
        about = {
            "step": saved.step,
            "shapes": describe(saved.state),
            "identities": self.identities,
            "log": saved.log,
            "seconds": saved.seconds,
        }
        if not is_first():
            return
        with writing(self.folder):
            self.folder.mkdir(exist_ok=True)
        write_arrays(self.path(saved.step), KIND, about, arrays)
        for step in self.steps()[_KEPT:]:
            self.path(step).unlink(missing_ok=True)

    def restore(self, like: PyTree) -> Saved:
        """The last checkpoint that is whole; a warning names those after it.

        **Arguments:**

        - `like`: a state of the same structure.

        **Raises:** `InputError` if there is none, if none can be read, or if it belongs to another
        model or run.
        """
        damaged = []
        for step in self.steps():
            try:
                about, arrays = read_arrays(self.path(step), KIND, _REMEDY)
            except InputError as error:
                damaged.append(str(error))
                continue
            if damaged:
                message = damaged[0].removesuffix(_REMEDY)
                warnings.warn(f"{message}The one of step {step:,} is taken.", stacklevel=2)
            return self._checked(self.path(step), about, arrays, like)
        if damaged:
            raise InputError(damaged[0])
        if any(path.is_dir() for path in self.folder.glob("[0-9]*")):
            raise InputError(
                f"{self.folder} has the format of another version of learnset. {_REMEDY}"
            )
        raise InputError(
            f"There is no checkpoint in {self.folder}. Omit `resume` to begin a new run."
        )

    def resumed(self, like: PyTree) -> Saved | None:
        """As `restore`, in all processes that train together, from what the first one finds; `None`
        if there is no checkpoint."""

        def found() -> Saved | None:
            if not self.steps():
                return None
            saved = self.restore(like)
            return saved._replace(state=_raw_leaves(saved.state))

        saved = from_first(found)
        return saved and saved._replace(state=_with_leaves(like, saved.state))

    def _checked(
        self, path: Path, about: dict[str, Any], arrays: dict[str, np.ndarray], like: PyTree
    ) -> Saved:
        for part, now in self.identities.items():
            before = about["identities"].get(part, now)  # another version of JAX has other programs
            differs = difference(before, now)
            if differs is not None:
                raise InputError(
                    f"The checkpoint {path} was made with another {part}: {differs}. Resume with"
                    " the same one, or use another folder."
                )
        shapes, saved = describe(like), about["shapes"]
        if shapes != saved:
            pairs = zip(shapes, saved, strict=False)
            odd = next((pair for pair in pairs if pair[0] != pair[1]), (len(shapes), len(saved)))
            raise InputError(
                f"The checkpoint {path} belongs to another optimiser or method: it holds {odd[1]}"
                f" where this run has {odd[0]} (of {len(saved)} and {len(shapes)} arrays). Use"
                " those that it was made with, or another folder."
            )
        state = _with_leaves(like, [arrays[f"state {i}"] for i in range(len(saved))])
        window, scores = (
            {name.removeprefix(kind): a for name, a in arrays.items() if name.startswith(kind)}
            for kind in ("window ", "score ")
        )
        scores = {int(step): values for step, values in scores.items()}
        return Saved(about["step"], state, about["log"], window, about["seconds"], scores)


def _raw_leaves(tree: PyTree) -> list[np.ndarray]:
    """All arrays of the tree, random keys as the numbers that they are made of."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if eqx.is_array(leaf)]
    return [np.asarray(jr.key_data(leaf) if is_key(leaf) else leaf) for leaf in leaves]


def _with_leaves(like: PyTree, arrays: list[np.ndarray]) -> PyTree:
    remaining = iter(arrays)

    def replace(leaf: Any) -> Any:
        if not eqx.is_array(leaf):
            return leaf
        array = next(remaining)
        if is_key(leaf):
            return jr.wrap_key_data(jnp.asarray(array), impl=jr.key_impl(leaf))
        return jnp.asarray(array.view(leaf.dtype))  # NumPy's files do not name bfloat16

    return jax.tree.map(replace, like)
