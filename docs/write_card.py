"""Writes the card of the table network that comes with the package into its page.

Usage: python docs/write_card.py
"""

from importlib import resources
from pathlib import Path

import equinox as eqx
import jax

import learnset as ls

PAGE = Path(__file__).parent / "tables-in-context.md"
BEGIN = "<!-- from the file of weights, by `python docs/write_card.py` -->\n"
END = "<!-- end -->\n"


def card() -> str:
    """What is known of the weights, as a table."""
    network = ls.TablePFN.pretrained().network
    count = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_array)))
    size = resources.files("learnset.meta").joinpath("table_network.npz").stat().st_size
    about = ls.TablePFN.pretrained_about() | {
        "weights": f"{count:,}, in half precision: {size / 2**20:.2f} MiB"
    }
    lines = [f"| {name} | {str(value).replace('|', '/')} |" for name, value in about.items()]
    return "\n".join(["| | |", "|---|---|", *lines, ""])


def page(text: str) -> str:
    """The page with its card."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}{card()}{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
