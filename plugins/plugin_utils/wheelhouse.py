# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A folder of wheels on the controller: what release it holds, whether the engine is in it, one archive of it."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class WheelhouseError(Exception):
    """The folder cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class Wheelhouse:
    """`release` names the contents: the version, and a few digits over every wheel, so other contents install anew.

    `complete`: the dependencies are there too, so no index is asked.
    """

    folder: Path
    version: str
    release: str
    engine: bool
    complete: bool
    wheels: tuple[Path, ...]

    def pack(self, target: Path) -> None:
        """One uncompressed archive (wheels are compressed already)."""
        with tarfile.open(target, "w") as archive:
            for wheel in self.wheels:
                archive.add(wheel, arcname=wheel.name, recursive=False)


def look(folder: str, engine: str, extras: Sequence[str] = ()) -> Wheelhouse:
    """Read the folder. `engine` is `required`, `preferred` or `python`; `extras` are installed with it. Raises
    WheelhouseError."""
    path = Path(folder).expanduser()
    wheels = tuple(sorted(path.glob("*.whl")))
    server = [wheel for wheel in wheels if wheel.name.startswith("openkes-")]
    if not server:
        raise WheelhouseError(
            f"There is no wheel of openkes in {path} on the controller. Set kes_server_wheelhouse to a folder with"
            " the"
            " wheels of openkes and its dependencies."
        )
    if len(server) > 1:
        names = ", ".join(wheel.name for wheel in server)
        raise WheelhouseError(f"{path} holds more than one openkes ({names}). Leave the one to install.")
    has_engine = any(wheel.name.startswith("openkes_engine-") for wheel in wheels)
    if engine == "required" and not has_engine:
        raise WheelhouseError(
            f"{path} holds no wheel of openkes-engine, so the key server would run on its pure Python twin (HTTP/1.1"
            " only), which is for evaluation. Build the engine (a Rust compiler and `make engine`), or say"
            " `kes_server_engine: python` if the twin will do."
        )
    digest = hashlib.sha256(" ".join([engine, *extras]).encode())
    for wheel in wheels:
        digest.update(wheel.name.encode() + b"\0" + hashlib.sha256(wheel.read_bytes()).digest())
    complete = any(not wheel.name.startswith(("openkes-", "openkes_engine-")) for wheel in wheels)
    version = server[0].name.split("-")[1]
    return Wheelhouse(path, version, f"{version}-{digest.hexdigest()[:8]}", has_engine, complete, wheels)
