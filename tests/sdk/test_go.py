"""The Go code's own tests and vet, for both modules below tests/."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk import programs

pytestmark = pytest.mark.sdk

MODULES = [programs.ROOT / "tests/standin", programs.HERE]


@pytest.mark.parametrize("module", MODULES, ids=lambda folder: folder.name)
def test_go_vet(go: str, module: Path) -> None:
    programs.go(go, "vet", "./...", folder=module)


@pytest.mark.parametrize("module", MODULES, ids=lambda folder: folder.name)
def test_go_files_are_formatted(go: str, module: Path) -> None:
    # `go vet` comes with every Go; gofmt lies beside it.
    gofmt = Path(go).resolve().with_name("gofmt")
    if not gofmt.exists():
        pytest.skip("this Go comes without gofmt")
    assert programs.go(str(gofmt), "-l", ".", folder=module) == ""


def test_rules_of_the_standin(go: str) -> None:
    programs.go(go, "test", "-count=1", "./...", folder=programs.ROOT / "tests/standin")
