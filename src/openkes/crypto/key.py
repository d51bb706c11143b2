"""A key as values: its newest version, the older ones, and whether it is on its way out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from openkes.crypto.aead import Algorithm
from openkes.crypto.ciphertext import Cipher


@dataclass(frozen=True, slots=True)
class Version:
    """One generation. `key` is 32 bytes; `created_at` ns since 1970 UTC or None; `created_by` an identity or "".
    `cipher` is the key made ready; it goes when this object does."""

    number: int
    algorithm: Algorithm
    key: bytes = field(repr=False)
    created_at: int | None
    created_by: str
    cipher: Cipher = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cipher", Cipher(self.algorithm, self.key))


@dataclass(frozen=True, slots=True)
class Key:
    """The newest version's fields stand here, as in upstream's entries; `older` has the rest, newest first.

    `hmac_key` is None in old entries and the same for all versions. `deleted_at` and `purge_at` (ns since 1970) are
    set while a deletion waits. `tagged`: the entry carried an integrity tag.
    """

    algorithm: Algorithm
    key: bytes = field(repr=False)
    hmac_key: bytes | None = field(repr=False)
    created_at: int | None
    created_by: str
    version: int = 1
    older: tuple[Version, ...] = ()
    deleted_at: int | None = None
    purge_at: int | None = None
    tagged: bool = field(default=False, compare=False)
    cipher: Cipher = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cipher", Cipher(self.algorithm, self.key))

    @property
    def is_rotated(self) -> bool:
        return self.version != 1 or bool(self.older)

    def versions(self) -> tuple[Version, ...]:
        """All of them, newest first."""
        newest = Version(self.version, self.algorithm, self.key, self.created_at, self.created_by)
        return (newest, *self.older)

    def rotated(self, raw: bytes, created_at: int, created_by: str) -> Key:
        """With `raw` (32 random bytes) as the newest version. The HMAC key stays: HMACs are compared, not opened."""
        return replace(
            self,
            key=raw,
            created_at=created_at,
            created_by=created_by,
            version=self.version + 1,
            older=self.versions(),
        )

    def deleted(self, at: int, purge_at: int) -> Key:
        return replace(self, deleted_at=at, purge_at=purge_at)

    def undeleted(self) -> Key:
        return replace(self, deleted_at=None, purge_at=None)
