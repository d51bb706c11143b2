"""A release that is newer than this checkout's, as an operator gets it: a wheelhouse of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from openkes import __version__

ROOT = Path(__file__).parents[2]


def newer(wheelhouse: Path, folder: Path, version: str) -> Path:
    """A wheelhouse in `folder`: that of this checkout, with openkes at `version`."""
    source, house = folder / "source", folder / "house"
    shutil.copytree(wheelhouse, house, ignore=shutil.ignore_patterns("openkes-*"))
    shutil.copytree(ROOT / "src/openkes", source / "src/openkes", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("pyproject.toml", "src/openkes/__init__.py"):
        path = source / name
        text = path.read_text()
        assert text.count(f'"{__version__}"\n') == 1
        path.write_text(text.replace(f'"{__version__}"\n', f'"{version}"\n'))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(house), str(source)]
    done = subprocess.run(build, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return house
