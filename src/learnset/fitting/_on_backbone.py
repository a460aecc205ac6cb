"""Predictors on features of a pretrained network, which a file names, and does not hold."""

from typing import Any, Literal

import equinox as eqx
from jaxtyping import Array, Float, Shaped

from ..core import features, InputError, predict
from ..models import Backbone

# Features (`None`), those of all layers, activations before its last blocks (their number), or
# images of a side.
Part = int | Literal["layers"] | tuple[Literal["images"], int] | None


class OnBackbone(eqx.Module):
    """A predictor on the features of an installed network.

    **Arguments:** `network`: the `part` of it that is used, as in `part_of`. `name`, `mark`: of the
    network, and the digest of its weights. `predictor`: takes what `network` gives.
    """

    network: Backbone
    predictor: Any
    name: str = eqx.field(static=True)
    mark: str = eqx.field(static=True)
    part: Part = eqx.field(static=True)

    def together(
        self, xs: Shaped[Array, "points *in"], weight: Float[Array, "points"]
    ) -> Float[Array, "points classes"]:
        """Predictions for many raw inputs."""
        return predict(self.predictor, features(self.network, xs, weight), weight)

    def __call__(self, x: Shaped[Array, "*in"]) -> Float[Array, "classes"]:
        return predict(self.predictor, self.network.features(x)[None])[0]


def on_backbone(name: str, backbone: Backbone, part: Part, predictor: Any) -> OnBackbone:
    """A predictor on a part of a network."""
    return OnBackbone(part_of(backbone, part), predictor, name, backbone.mark, part)


def part_of(backbone: Backbone, part: Part) -> Backbone:
    """What a part of a network gives, as a network."""
    if isinstance(part, (tuple, list)):  # a list in a file
        return backbone.images(int(part[1]))
    if part == "layers":
        return backbone.layers()
    return backbone if part is None else backbone.cut(int(part))[0]


def installed(name: str, mark: str) -> Backbone:
    """The network of a name.

    **Raises:** `InputError` where it is not installed, and for other weights than those with the
    digest `mark`.
    """
    backbone = Backbone.named(name)
    if backbone.mark != mark:
        raise InputError(
            f"the network {name!r} has other weights here than it was made with. Put those back, or"
            " fit again."
        )
    return backbone
