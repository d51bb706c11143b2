"""The `kes` command: the root group, and the one place that turns a failure into text and an exit code.

Commands are imported when they are called, so that `kes key create` pays for nothing of the server's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from openkes import __version__
from openkes.cli import output
from openkes.cli.lazy import LazyGroup
from openkes.errors import OperatorError

USAGE = 2
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it

_COMMANDS = {
    "server": ("openkes.cli.server:server", "Run a key server."),
    "key": ("openkes.cli.key:key", "Create, import, inspect and use keys."),
    "policy": ("openkes.cli.policy:policy", "Show policies and their rules."),
    "identity": (
        "openkes.cli.identity:identity",
        "Make identities, and show what they may do.",
    ),
    "ls": ("openkes.cli.ls:ls", "List keys, policies or identities."),
    "status": ("openkes.cli.status:status", "Show whether a server and its key store are well."),
    "audit": ("openkes.cli.audit:audit", "Check that nobody changed an audit log."),
    "log": ("openkes.cli.log:log", "Show a server's audit or error log as it is written."),
    "metric": ("openkes.cli.metric:metric", "Show a server's metrics, live on a terminal."),
    "migrate": ("openkes.cli.migrate:migrate", "Copy keys from one key store to another."),
    "backup": ("openkes.cli.backup:backup", "Write an encrypted backup of a key store, or check one."),
    "restore": ("openkes.cli.restore:restore", "Write the keys of a backup into a key store."),
    "completion": ("openkes.cli.completion:completion", "Print the completion script for bash, zsh or fish."),
    "update": ("openkes.cli.update:update", "Say how to upgrade."),
    "tool": ("openkes.cli.tool:tool", "The commands of 2021: `kes tool identity …`."),
}


@click.group(
    cls=LazyGroup,
    commands_by_path=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Environment of the commands that talk to a server:
  KES_SERVER                        HOST:PORT or https://HOST:PORT  [default: https://127.0.0.1:7373]
  KES_CLIENT_KEY, KES_CLIENT_CERT   the client's private key and certificate, PEM files
  KES_CLIENT_KEY_PASSWORD           the password of an encrypted private key
  KES_API_KEY                       an API key, instead of the two files
  KES_CA_PATH                       file or folder of certificates that vouch for the server
MINIO_KES_SERVER and MINIO_KES_API_KEY serve as well. Options win over the environment.""",
)
@click.version_option(__version__, message="kes %(version)s (openkes)")
def kes() -> None:
    """A key server for MinIO, and the commands to manage it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `kes`; returns the exit code: 0, 1 on error, 2 on wrong usage, 130 after Ctrl-C. Never a traceback."""
    try:
        result = kes.main(arguments, prog_name="kes", standalone_mode=False)
    except click.ClickException as error:
        return _usage(error) if isinstance(error, click.UsageError) else output.failure(error.format_message())
    except (click.Abort, KeyboardInterrupt) as abort:
        return _interrupted(abort)
    except Exception as error:
        return _failed(error)
    return result if isinstance(result, int) else 0


def _usage(error: click.UsageError) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        output.talk(error.format_message())
        return USAGE
    if error.ctx is not None:
        output.talk(error.ctx.get_usage())
    command = error.ctx.command_path if error.ctx is not None else "kes"
    output.failure(error.format_message(), f"`{command} --help` explains it")
    return USAGE


def _interrupted(abort: BaseException) -> int:
    if isinstance(abort.__context__, EOFError):
        return output.failure("the input ended before the question was answered")
    return INTERRUPTED


def _failed(error: Exception) -> int:
    if isinstance(error, OperatorError):
        return output.failure(str(error), error.hint)
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return output.failure(f"{name}{error.strerror or error}")
    if os.environ.get("OPENKES_DEBUG"):
        raise error
    return output.failure(
        f"internal error: {type(error).__name__}",
        "this is a defect of openkes; OPENKES_DEBUG=1 shows where it happened",
    )
