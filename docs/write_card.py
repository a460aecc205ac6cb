"""Writes the cards of the table networks that come with the package into their page.

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
    """What is known of the weights of both networks, as a table."""
    table = ls.TablePFN.pretrained()
    both = {"table_network.npz": table.network, "related_network.npz": table.related}
    cards = []
    for name, network in both.items():
        count = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_array)))
        size = len(resources.files("learnset.meta").joinpath(name).read_bytes())
        about = ls.TablePFN.pretrained_about(related=network is table.related)
        cards.append(about | {"weights": f"{count:,}, in half precision: {size / 2**20:.2f} MiB"})
    alone, related = cards
    lines = [
        "| "
        + " | ".join(str(part).replace("|", "/") for part in (name, alone[name], related[name]))
        + " |"
        for name in alone
    ]
    heads = "| | one table | related tables |"
    return "\n".join([heads, "|---|---|---|", *lines, ""])


def page(text: str) -> str:
    """The page with its cards."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}{card()}{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
