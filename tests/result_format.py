"""The schema of `result.json`, as its page has it."""

import json
import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "result-format.md"


def schema() -> dict:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    return json.loads(block)


def faults(path: Path) -> list[str]:
    """Where a file is not as documented, and why."""
    from jsonschema import Draft202012Validator

    def refused(word):
        raise ValueError(f"{path} has {word}, which is no JSON")

    result = json.loads(path.read_text(), parse_constant=refused)
    kind = "study" if "study" in result else "comparison"
    of_kind = {"$ref": f"#/$defs/{kind}", "$defs": schema()["$defs"]}
    errors = Draft202012Validator(of_kind).iter_errors(result)
    return [f"{error.json_path}: {error.message[:200]}" for error in errors]
