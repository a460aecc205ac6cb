"""Checkpoints of a training run, written with Orbax.

Each is written under another name and then renamed, so that a kill at any instant leaves the last
good one. They hold arrays and JSON only; no pickle is written or read."""

import logging
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import PyTree

from ..core import describe, InputError
from ._identity import difference

FORMAT = 2  # 0.1 wrote no number, and distinguished runs by printed text


class Checkpoints:
    """The checkpoints of one run in one folder; the last two are kept.

    **Arguments:**

    - `folder`: where they are kept; created if necessary.
    - `identities`: of each part that the run is made of, as `identity` returns it. `restore`
      refuses a checkpoint whose parts have other identities.
    """

    def __init__(self, folder: Path, identities: dict[str, dict[str, Any]]):
        import orbax.checkpoint as ocp  # here and not above: the import takes half a second

        logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax logs every stage of each save
        self.identities = identities
        self.folder = Path(folder).absolute()
        self._args = ocp.args
        options = ocp.CheckpointManagerOptions(max_to_keep=2, create=True)
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def save(self, step: int, state: PyTree, **notes: float) -> None:
        """Starts to write `state` in the background, together with the numbers in `notes`. Nothing
        is written for a step that already has a checkpoint."""
        if step in self._manager.all_steps():
            return
        arrays = {str(i): leaf for i, leaf in enumerate(_raw_leaves(state))}
        meta = {
            "format": FORMAT,
            "shapes": describe(state),
            "identities": self.identities,
            "notes": notes,
        }
        args = self._args.Composite(
            state=self._args.StandardSave(arrays), meta=self._args.JsonSave(meta)
        )
        self._manager.save(step, args=args)

    def latest(self) -> int | None:
        """The last step with a complete checkpoint, if any."""
        return self._manager.latest_step()

    def restore(self, like: PyTree) -> tuple[int, PyTree, dict[str, float]]:
        """The last checkpoint.

        **Arguments:**

        - `like`: a state of the same structure.

        **Returns:** its step, the state, and the notes that were saved with it.

        **Raises:** `InputError` if there is none, if it cannot be read, or if it belongs to another
        model or run.
        """
        step = self.latest()
        if step is None:
            raise InputError(
                f"There is no checkpoint in {self.folder}. Omit `resume` to begin a new run."
            )
        meta = self._read(step, meta=self._args.JsonRestore())["meta"]
        self._check(step, meta, like)
        raw = _raw_leaves(like)
        target = {
            str(i): jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for i, leaf in enumerate(raw)
        }
        arrays = self._read(step, state=self._args.StandardRestore(target))["state"]
        return step, _with_leaves(like, [arrays[str(i)] for i in range(len(raw))]), meta["notes"]

    def close(self) -> None:
        """Waits until everything is written."""
        self._manager.wait_until_finished()
        self._manager.close()

    def _read(self, step: int, **items: Any) -> Any:
        try:
            return self._manager.restore(step, args=self._args.Composite(**items))
        except Exception as error:  # Orbax and TensorStore raise many kinds for a damaged file
            reason = (
                str(error).strip().splitlines()[0][:160]
                if str(error).strip()
                else type(error).__name__
            )
            raise InputError(
                f"The checkpoint {self.folder / str(step)} cannot be read ({reason}): it is"
                " damaged, or not a checkpoint of learnset. Delete that folder to continue from"
                " the previous checkpoint, or begin a new run."
            ) from None

    def _check(self, step: int, meta: dict[str, Any], like: PyTree) -> None:
        folder = self.folder / str(step)
        if meta.get("format") != FORMAT:
            raise InputError(
                f"The checkpoint {folder} has the format of another version of learnset (such as"
                " 0.1), which cannot be read. Continue with that version, or begin a new run."
            )
        for part, now in self.identities.items():
            differs = difference(meta["identities"][part], now)
            if differs is not None:
                raise InputError(
                    f"The checkpoint {folder} was made with another {part}: {differs}. Resume with"
                    " the same one, or use another folder."
                )
        shapes, saved = describe(like), meta["shapes"]
        if shapes != saved:
            pairs = zip(shapes, saved, strict=False)
            odd = next((pair for pair in pairs if pair[0] != pair[1]), (len(shapes), len(saved)))
            raise InputError(
                f"The checkpoint {folder} belongs to another optimiser or method: it holds {odd[1]}"
                f" where this run has {odd[0]} (of {len(saved)} and {len(shapes)} arrays). Use"
                " those that it was made with, or another folder."
            )


def _is_key(leaf: Any) -> bool:
    return eqx.is_array(leaf) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _raw_leaves(tree: PyTree) -> list[Any]:
    """All arrays of the tree, random keys as the numbers that they are made of."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if eqx.is_array(leaf)]
    return [jr.key_data(leaf) if _is_key(leaf) else leaf for leaf in leaves]


def _with_leaves(like: PyTree, arrays: list[Any]) -> PyTree:
    remaining = iter(arrays)

    def replace(leaf: Any) -> Any:
        if not eqx.is_array(leaf):
            return leaf
        array = next(remaining)
        return jr.wrap_key_data(array, impl=jr.key_impl(leaf)) if _is_key(leaf) else array

    return jax.tree.map(replace, like)
