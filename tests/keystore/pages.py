"""What the pages of the key stores show: configurations that must start, commands that must work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

STORES = Path(__file__).parents[2] / "docs" / "stores"


def blocks(page: str, language: str) -> list[str]:
    """The blocks of `language` on docs/stores/PAGE.md, in order."""
    text = (STORES / f"{page}.md").read_text()
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found, f"{page}.md has no block of {language}"
    return found


def block(page: str, language: str, containing: str) -> str:
    """The only one that has `containing` in it."""
    found = [text for text in blocks(page, language) if containing in text]
    assert len(found) == 1, f"{page}.md has {len(found)} blocks of {language} with {containing}"
    return found[0]


def configuration(page: str) -> dict[str, Any]:
    """The first block of YAML: the section `keystore` of a configuration, its scalars text."""
    document: dict[str, Any] = yaml.load(blocks(page, "yaml")[0], yaml.BaseLoader)
    return document
