"""`kes update`: upstream's command replaces its own binary; this one says how to upgrade, and changes nothing."""

from __future__ import annotations

import sys

import click

from openkes import __version__
from openkes.cli import output


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("ignored", nargs=-1, type=click.UNPROCESSED, metavar="[ANYTHING]...")
def update(ignored: tuple[str, ...]) -> None:
    """Say how to upgrade. Nothing is downloaded or changed; upstream's options are taken and ignored.

    \b
    Example:
      kes update
    """
    for line in (
        f"openkes {__version__}, run by {sys.executable}",
        "",
        "Key servers that the collection set up: install its new version, then run the playbook again:",
        "  ansible-galaxy collection install --upgrade openkes.kes",
        "  ansible-playbook -i INVENTORY openkes.kes.site",
        "Installed by hand:",
        f"  {sys.executable} -m pip install --upgrade 'openkes[engine]'",
        "and restart the server. Keys, configuration and identities stay as they are.",
    ):
        output.data(line)
