"""What the sites of several versions need next to them: the list that the theme's menu of versions
reads, and a page at the root that leads to the newest release.

Usage: python docs/versions.py FOLDER

FOLDER holds the site of each version in a folder of its name, such as `0.2.0`; `dev` is that of the
main branch.
"""

import json
import sys
from pathlib import Path

DEVELOPMENT = "dev"
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>learnset</title>
<meta http-equiv="refresh" content="0; url={version}/">
<link rel="canonical" href="{version}/">
<a href="{version}/">learnset {version}</a>
"""


def write(folder: Path) -> list[str]:
    """Writes `versions.json` and `index.html`.

    **Returns:** the versions, the newest first; the main branch is the last.
    """
    found = [path.name for path in folder.iterdir() if (path / "index.html").is_file()]
    if not found:
        raise SystemExit(f"{folder} holds no site: each is a folder with an index.html.")
    names = sorted(found, key=_number, reverse=True)
    entries = [
        {"version": name, "title": name, "aliases": ["latest"] if name == names[0] else []}
        for name in names
    ]
    (folder / "versions.json").write_text(json.dumps(entries, indent=1))
    (folder / "index.html").write_text(PAGE.format(version=names[0]))
    return names


def _number(name: str) -> tuple[int, ...]:
    """A version as numbers, by which 0.10.0 is newer than 0.9.0."""
    if name == DEVELOPMENT:
        return ()
    parts = name.split(".")
    if not all(part.isdecimal() for part in parts):
        raise SystemExit(f"{name} is no version: rename the folder to numbers with points, or dev.")
    return tuple(map(int, parts))


if __name__ == "__main__":
    print("\n".join(write(Path(sys.argv[1]))))
