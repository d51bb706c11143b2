"""Prints what a folder of wheels still lacks for a given target, one requirement a line.

pip cannot be asked: `pip download` reads environment markers (python_version, …) as those of the machine it
runs on, so a controller with a newer Python leaves out what the targets need.
"""

from __future__ import annotations

import email
import sys
import zipfile
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name, parse_wheel_filename
from pip._vendor.packaging.version import Version


def gaps(house: Path, python_version: str, machine: str, extras: frozenset[str] = frozenset()) -> list[str]:
    """Return the requirements of the wheels in `house` that no wheel there meets, for CPython on Linux.

    `extras` are those of openkes, without the engine, which is put there by its own build.
    """
    environment = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python_version}.0",
        "python_version": python_version,
        "sys_platform": "linux",
    }
    present: dict[str, Version] = {}
    requires: dict[str, list[Requirement]] = {}
    for wheel in sorted(house.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        present[name] = version
        requires[name] = [Requirement(line) for line in _metadata(wheel).get_all("Requires-Dist", [])]
    wanted = _wanted(requires, environment, {"openkes": {"", *extras}})
    missing: dict[str, str] = {}
    for requirement in wanted:
        found = present.get(canonicalize_name(requirement.name))
        if found is None:
            specifier = ",".join(filter(None, (missing.get(requirement.name), str(requirement.specifier))))
            missing[requirement.name] = specifier
        elif not requirement.specifier.contains(found, prereleases=True):
            raise SystemExit(f"wheel_gaps: {requirement} is wanted, but {found} was taken for another wheel")
    return [f"{name}{specifier}" for name, specifier in sorted(missing.items())]


def _wanted(
    requires: dict[str, list[Requirement]], environment: dict[str, str], extras: dict[str, set[str]]
) -> list[Requirement]:
    """The requirements that hold in `environment`. `extras`, by wheel, grows by what the wheels want of each other."""
    while True:
        wanted = [
            requirement
            for name, all_of_it in requires.items()
            for requirement in all_of_it
            if requirement.marker is None
            or any(requirement.marker.evaluate({**environment, "extra": extra}) for extra in extras.get(name, {""}))
        ]
        before = sum(map(len, extras.values()))
        for requirement in wanted:
            extras.setdefault(canonicalize_name(requirement.name), {""}).update(requirement.extras)
        if sum(map(len, extras.values())) == before:
            return wanted


def _metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


if __name__ == "__main__":
    print("\n".join(gaps(Path(sys.argv[1]), sys.argv[2], sys.argv[3], frozenset(filter(None, sys.argv[4].split(","))))))
