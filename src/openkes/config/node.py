"""A YAML document with the place of every value, so that each error can name file and line.

Scalars are text: `on`, `0x1f` and `1:20` are no booleans or numbers here. `${VAR}` is replaced by the environment.
Must not know the settings.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from openkes.errors import OperatorError

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class ConfigError(OperatorError):
    """`FILE:LINE: what is wrong and how to mend it`."""


class Node:
    """One value; `path` is where it stands, like `tls.auth`; `key` the key it stands under, if any."""

    def __init__(self, file: Path, node: yaml.Node, path: str, key: yaml.Node | None = None) -> None:
        self._file = file
        self._node = node
        self._key = key
        self.path = path

    def error(self, text: str, hint: str = "") -> ConfigError:
        # A section starts a line below its key; what is wrong with it is looked for at the key.
        line = (self._key or self._node).start_mark.line + 1
        return ConfigError(f"{self._file}:{line}: {text}", hint)

    @property
    def is_empty(self) -> bool:
        return (
            isinstance(self._node, yaml.ScalarNode) and self._node.value in ("", "~", "null") and not self._node.style
        )

    @property
    def is_scalar(self) -> bool:
        return isinstance(self._node, yaml.ScalarNode)

    def text(self) -> str:
        """The scalar, with `${VAR}` replaced."""
        if not isinstance(self._node, yaml.ScalarNode):
            raise self.error(f"'{self.path}' is a list or a section, and needs one value")
        return _VARIABLE.sub(self._variable, str(self._node.value))

    def _variable(self, match: re.Match[str]) -> str:
        value = os.environ.get(match[1])
        if value is None:
            raise self.error(
                f"'{self.path}' names the environment variable {match[1]}, which is not set",
                f"set {match[1]} in the environment of the server, or write the value itself",
            )
        return value

    def items(self) -> Iterator[Node]:
        """The values of a list; an empty value is an empty list."""
        if self.is_empty:
            return
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.error(f"'{self.path}' needs a list: lines that start with '- '")
        for i, child in enumerate(self._node.value):
            yield Node(self._file, child, f"{self.path}[{i}]")

    def one_or_more(self) -> Iterator[Node]:
        """A single value, or the values of a list."""
        if self.is_scalar and not self.is_empty:
            yield self
        else:
            yield from self.items()

    def section(self) -> dict[str, Node]:
        """Keys and values of a mapping; an empty value is an empty mapping. A key twice is an error."""
        if self.is_empty:
            return {}
        if not isinstance(self._node, yaml.MappingNode):
            where = f"'{self.path}'" if self.path else "the file"
            raise self.error(f"{where} needs a section: lines of the form 'name: value'")
        found: dict[str, Node] = {}
        for key, value in self._node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.error(f"a key in '{self.path}' is not text")
            name = str(key.value)
            child = Node(self._file, value, self._below(name), key)
            if name in found:
                raise child.error(f"'{child.path}' stands here a second time", "keep one of them")
            found[name] = child
        return found

    def known(self, *names: str) -> dict[str, Node]:
        """`section`, where every key must be one of `names`."""
        section = self.section()
        for name, node in section.items():
            if name not in names:
                raise node.error(f"unknown key '{self._below(name)}'", _nearest(name, names))
        return section

    def _below(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def _nearest(name: str, names: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, names, 1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known here: {', '.join(sorted(names))}"


def _yaml_hint(text: bytes, line: int) -> str:
    lines = text.splitlines()
    if line <= len(lines) and re.search(rb"[{,].*\$\{", lines[line - 1]):
        return 'between { and } a variable needs quotes: "${NAME}"'
    return "look at the indentation and the colons"


def read(file: Path) -> Node:
    """The document's root. ConfigError for a file that cannot be read or is not YAML."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{file}: {error.strerror}", "name an existing file that the server's user may read with --config"
        ) from None
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(
            f"{file}:{line}: not valid YAML: {error.problem or error.context}", _yaml_hint(text, line)
        ) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise ConfigError(f"{file}: not valid YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ConfigError(f"{file}: not a configuration: lists or sections a thousand deep") from None
    if root is None:
        raise ConfigError(f"{file}: it is empty", "start with the example in the README")
    return Node(file, root, "")
