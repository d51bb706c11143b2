"""The classes of client certificates that the trial shows, and what may become of each. Knows no server.

`auth off`: whoever holds the key is somebody, unless the certificate is a CA's or nobody can read it.
`auth on`: only an unchanged, valid certificate below the trial's CA is somebody.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.trials import der
from tests.trials.material import (
    BASIC_CONSTRAINTS,
    Issuer,
    Key,
    authority,
    big_rsa,
    extension,
    issue,
    name,
    private_pem,
    resigned,
    rsa_spki,
    spki,
    with_extensions,
)


class May(Enum):
    """What an outcome may be."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    EITHER = "either"


A, R, E = May.ACCEPT, May.REFUSE, May.EITHER


@dataclass(frozen=True, slots=True)
class Case:
    """`chain` in DER, leaf first; `key` is PKCS#8 PEM and signs the handshake, `spki` its public half in DER.
    `off` and `on`: what may happen with `tls.auth` off and on."""

    kind: str
    chain: tuple[bytes, ...]
    key: str
    spki: bytes
    off: May
    on: May


class Cases:
    """Makes all cases; the same seed makes the same changes to them."""

    def __init__(self, flips: int, big: bool, seed: int = 1) -> None:
        self._flips = flips
        self._big = big
        self._random = random.Random(seed)
        self.ca = authority("trial CA")
        self._other = authority("trial CA")  # the same name, another key
        self._ec = ec.generate_private_key(ec.SECP256R1())
        self._rsa = rsa.generate_private_key(65537, 2048)
        self._edwards = ed25519.Ed25519PrivateKey.generate()

    def __iter__(self) -> Iterator[Case]:
        yield from self._keys()
        yield from self._times()
        yield from self._chains()
        yield from self._authorities()
        yield from self._extensions()
        yield from self._fields()
        yield from self._forged()
        yield from self._damaged()

    def _case(self, kind: str, key: Key, off: May, on: May, *chain: bytes) -> Case:
        return Case(kind, chain, private_pem(key), spki(key), off, on)

    def _both(self, kind: str, key: Key, off: May, on: May, make: Callable[[Issuer | None], bytes]) -> Iterator[Case]:
        """Signed by itself, and by the CA."""
        yield self._case(kind, key, off, R, make(None))
        yield self._case(kind, key, off, on, make(self.ca))

    def _keys(self) -> Iterator[Case]:
        good: list[tuple[str, Key, May]] = [
            ("ECDSA P-256", self._ec, A),
            ("ECDSA P-384", ec.generate_private_key(ec.SECP384R1()), A),
            ("Ed25519", self._edwards, A),
            ("RSA 2048", self._rsa, A),
            ("RSA 4096", rsa.generate_private_key(65537, 4096), A),
            # Of these an engine may know more than the other.
            ("ECDSA P-521", ec.generate_private_key(ec.SECP521R1()), E),
            ("RSA 1024", rsa.generate_private_key(65537, 1024), E),
            ("RSA with exponent 3", rsa.generate_private_key(3, 2048), E),
        ]
        for kind, key, may in good:
            yield from self._both(kind, key, may, may, partial(issue, key))
        if self._big:
            for bits in (8192, 16384):
                pem, certificate = big_rsa(bits)
                yield Case(f"RSA {bits}", (certificate,), pem, der.spki_of(certificate), E, R)

    def _times(self) -> Iterator[Case]:
        for kind, days in (("expired", (-30, -1)), ("not yet valid", (1, 30))):
            for key in (self._ec, self._rsa):
                yield from self._both(kind, key, A, R, partial(issue, key, days=days))

    def _chains(self) -> Iterator[Case]:
        def leaf(issuer: Issuer | None, key: Key = self._ec) -> bytes:
            return issue(key, issuer)

        stranger = ec.generate_private_key(ec.SECP256R1())
        yield self._case("two leaves", self._ec, A, R, leaf(None), leaf(None, stranger))
        yield self._case("two leaves", self._ec, A, A, leaf(self.ca), leaf(self.ca, stranger))
        # The second one's key is not proved: it must not count.
        yield self._case("two leaves, the second one's key", self._ec, R, R, leaf(None, stranger), leaf(None))
        yield self._case("two leaves, the second one's key", self._ec, R, R, leaf(self.ca, stranger), leaf(self.ca))
        yield self._case("leaf and CA", self._ec, A, A, leaf(self.ca), self.ca.certificate)
        yield self._case("leaf and CA", self._ec, A, R, leaf(self._other), self._other.certificate)
        yield self._case("signed by a CA of the same name", self._ec, A, R, leaf(self._other), self.ca.certificate)
        yield self._case("CA before leaf", self._ec, R, R, self.ca.certificate, leaf(self.ca))
        between = authority("between", self.ca)
        yield self._case("below an intermediate", self._ec, A, A, leaf(between), between.certificate)
        yield self._case("intermediate missing", self._ec, A, R, leaf(between))
        no_ca = authority("no CA", self.ca, ca=False)
        yield self._case("below a leaf", self._ec, A, R, leaf(no_ca), no_ca.certificate)
        plain = authority("plain", self.ca, ca=None)
        yield self._case("below a leaf", self._ec, A, R, leaf(plain), plain.certificate)
        short = authority("short", self.ca, path_length=0)
        long = authority("long", short)
        chain = leaf(long), long.certificate, short.certificate
        yield self._case("path length exceeded", self._ec, A, R, *chain)
        old = authority("old", self.ca, days=(-30, -1))
        yield self._case("below an expired CA", self._ec, A, R, leaf(old), old.certificate)
        limits = x509.NameConstraints([x509.DNSName("inside.example")], None)
        narrow = authority("narrow", self.ca, extensions=[(limits, True)])
        for host, on in (("a.inside.example", A), ("outside.example", R)):
            names = x509.SubjectAlternativeName([x509.DNSName(host)])
            made = issue(self._ec, narrow, (names, False))
            yield self._case(f"name constraints: {host}", self._ec, A, on, made, narrow.certificate)
        many = tuple(leaf(None, stranger) for _ in range(20))
        yield self._case("21 certificates", self._ec, E, R, leaf(None), *many)
        yield self._case("21 certificates", self._ec, E, E, leaf(self.ca), *many)

    def _authorities(self) -> Iterator[Case]:
        for key in (self._ec, self._rsa, self._edwards):
            yield from self._both("CA:TRUE", key, R, R, partial(issue, key, ca=True))
        yield from self._both("CA:TRUE", self._ec, R, R, partial(issue, self._ec, ca=True, path_length=0))
        for kind, value, off in (
            ("CA:TRUE as 1 instead of 255", "3003010101", R),
            ("CA:TRUE with a length of two bytes", "308103 0101ff", R),
            ("CA:TRUE and more behind it", "30030101ff0000", R),
            ("CA:TRUE and a negative path length", "30060101ff0201ff", R),
            ("CA:FALSE written out", "3003010100", A),
            ("basic constraints cut short", "30030101", R),
            ("basic constraints that are text", "0c0161", R),
            ("basic constraints without content", "", R),
        ):
            yield self._extended(kind, extension(BASIC_CONSTRAINTS, bytes.fromhex(value), True), off=off, on=E)
        true, false = (extension(BASIC_CONSTRAINTS, bytes.fromhex(v), True) for v in ("30030101ff", "3000"))
        for pair in ((true, false), (false, true), (false, false)):
            yield self._extended("basic constraints twice", *pair, off=R, on=R)
        yield self._case("the trusted CA itself", self.ca.key, R, R, self.ca.certificate)
        unversioned = der.fields_of(with_extensions(issue(self._ec, self.ca), [true], self.ca.key))[1:]  # type: ignore[arg-type]
        made = resigned(issue(self._ec, self.ca), unversioned, self.ca.key)  # type: ignore[arg-type]
        yield self._case("CA:TRUE in version 1", self._ec, R, R, made)
        # A CA's certificate that is not marked critical is a CA's all the same.
        yield self._extended("CA:TRUE, not critical", extension(BASIC_CONSTRAINTS, bytes.fromhex("30030101ff")), off=R)

    def _extended(self, kind: str, *extensions: bytes, off: May = A, on: May = R) -> Case:
        """Below the CA, with extensions in raw."""
        return self._case(
            kind,
            self._ec,
            off,
            on,
            with_extensions(issue(self._ec, self.ca), list(extensions), self.ca.key),  # type: ignore[arg-type]
        )

    def _extensions(self) -> Iterator[Case]:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
        yield from self._both("unknown extension", self._ec, A, A, lambda by: issue(self._ec, by, (unknown, False)))
        critical = "unknown critical extension"
        yield from self._both(critical, self._ec, A, R, lambda by: issue(self._ec, by, (unknown, True)))
        for kind, usage, on in (
            ("for clients", ExtendedKeyUsageOID.CLIENT_AUTH, A),
            ("for servers only", ExtendedKeyUsageOID.SERVER_AUTH, R),
            ("for code only", ExtendedKeyUsageOID.CODE_SIGNING, R),
            ("for anything", ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, E),
        ):
            made = x509.ExtendedKeyUsage([usage])
            yield from self._both(f"usage: {kind}", self._ec, A, on, partial(_with, self._ec, made))
        oid = bytes.fromhex("0603551d11")
        free = bytes.fromhex("06092b06010401868d1f01")
        names = [bytes.fromhex("0603551d" + f"{n:02x}") for n in (0x0E, 0x0F, 0x11, 0x1E, 0x1F, 0x23, 0x24, 0x25, 0x36)]
        for known in names:
            for critical_ in (False, True):
                # Whether malformed extensions that nobody needs are read, is the library's own.
                yield self._extended("malformed extension", extension(known, b"\x30\x05\x01", critical_), off=E, on=E)
        yield self._extended("extension with a flag of 1", extension(free, b"\x05\x00", b"\x01"), off=E, on=E)
        yield self._extended("extension with a flag of no byte", extension(oid, b"\x30\x00"), off=E, on=E)
        yield self._extended("same extension twice", *[extension(free, b"\x05\x00")] * 2, off=E, on=E)
        yield self._extended("no extension in the list", off=E, on=E)
        yield self._extended("1,000 extensions", *(extension(_oid(n), b"\x05\x00") for n in range(1000)), off=E, on=E)
        yield self._extended("extension of 40 kB", extension(free, os.urandom(40_000)), off=E, on=E)

    def _fields(self) -> Iterator[Case]:
        yield from self._both("empty subject", self._ec, A, A, partial(issue, self._ec, subject=""))
        signer = self.ca.key
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        leaf = issue(self._ec, self.ca)
        fields = der.fields_of(leaf)  # version, serial, algorithm, issuer, dates, subject, key, extensions
        epoch = der.element(0x30, der.element(0x17, b"700101000000Z") + der.element(0x18, b"99991231235959Z"))
        garbled = der.element(0x30, der.element(0x17, b"not a date zz") * 2)
        swap: list[tuple[str, dict[int, bytes], May, May]] = [
            ("negative serial", {1: bytes.fromhex("0201ff")}, E, E),
            ("serial 0", {1: bytes.fromhex("020100")}, E, E),
            ("serial of 200 bytes", {1: der.element(0x02, b"\x01" * 200)}, E, E),
            ("serial that is text", {1: der.element(0x0C, b"1")}, E, R),
            ("version 2", {0: bytes.fromhex("a003020101")}, E, E),
            ("version 4", {0: bytes.fromhex("a003020103")}, R, R),
            ("version 128", {0: bytes.fromhex("a00402020080")}, R, R),
            ("version 1 by name, extensions present", {0: bytes.fromhex("a003020100")}, E, E),
            ("version 1 by absence, extensions present", {0: b""}, E, E),
            ("version 1", {0: b"", 7: b""}, A, E),
            ("without an end of time", {4: epoch}, A, A),
            ("dates that are text", {4: garbled}, E, R),
            ("dates that are missing", {4: b""}, R, R),
            ("subject of 40 kB", {5: name("").public_bytes().replace(b"\x30\x00", _long_name())}, E, E),
            ("subject that is garbage", {5: bytes.fromhex("30050c03616263")}, E, E),
            ("issuer of another name", {3: name("nobody").public_bytes()}, A, R),
            ("public key in compressed form", {6: _compressed(self._ec)}, E, E),
            ("two public keys", {6: fields[6] * 2}, E, R),
            ("unique identifiers", {6: fields[6] + bytes.fromhex("8102000182020001")}, E, E),
            ("other algorithm inside", {2: bytes.fromhex("300d06092a864886f70d01010b0500")}, E, R),
        ]
        for kind, parts, off, on in swap:
            made = resigned(leaf, [parts.get(i, field) for i, field in enumerate(fields)], signer)
            yield self._case(kind, self._ec, off, on, made)

    def _forged(self) -> Iterator[Case]:
        """Certificates whose key the client does not hold."""
        keys: dict[str, bytes] = {
            "somebody's P-256": spki(ec.generate_private_key(ec.SECP256R1())),
            "somebody's RSA": spki(rsa.generate_private_key(65537, 2048)),
            "somebody's Ed25519": spki(ed25519.Ed25519PrivateKey.generate()),
            "RSA 8192": rsa_spki(8192),
            "RSA 16384": rsa_spki(16384),
            "RSA 16384 with a huge exponent": rsa_spki(16384, int.from_bytes(os.urandom(2000)) | 1),
            "RSA 65536": rsa_spki(65536),
            "RSA with exponent 1": rsa_spki(2048, 1),
            "RSA with exponent 2": rsa_spki(2048, 2),
            "secp256k1": spki(ec.generate_private_key(ec.SECP256K1())),
            "brainpool P-256": spki(ec.generate_private_key(ec.BrainpoolP256R1())),
            "X25519": bytes.fromhex("302a300506032b656e032100") + bytes(32),
            "Ed448": bytes.fromhex("3043300506032b6571033a00") + bytes(57),
            "DSA": _dsa(),
            "unknown algorithm": bytes.fromhex("300f300906072a030405060708030200ff"),
            "P-256, point at infinity": _point(b"\x00"),
            "P-256, point off the curve": _point(b"\x04" + b"\x01" * 64),
            "P-256, empty": _point(b""),
            "Ed25519, small order": bytes.fromhex("302a300506032b6570032100") + b"\x01" + bytes(31),
            "Ed25519, 31 bytes": bytes.fromhex("3029300506032b6570032000") + bytes(31),
        }
        for kind, shown in keys.items():
            for signer in (self._ec, self._rsa, self._edwards):
                signed_by = self.ca.key
                assert isinstance(signed_by, ec.EllipticCurvePrivateKey)
                leaf = issue(self._ec, self.ca)
                fields = [shown if i == 6 else field for i, field in enumerate(der.fields_of(leaf))]
                yield self._case(f"forged: {kind}", signer, R, R, resigned(leaf, fields, signed_by))

    def _damaged(self) -> Iterator[Case]:
        leaves = [(key, issue(key, self.ca)) for key in (self._ec, self._rsa, self._edwards)]
        plain = leaves[0][1]
        for kind, made in (
            ("no byte", b""),
            ("one byte", b"\x30"),
            ("text", b"not a certificate"),
            ("PEM instead of DER", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
            ("length of 4 GB", b"\x30\x84\xff\xff\xff\xff" + plain[4:]),
            ("nested 10,000 deep", _nested(10_000)),
            ("random", os.urandom(500)),
        ):
            yield self._case(f"bad DER: {kind}", self._ec, R, R, made)
        # The same certificate in BER, which an engine may read.
        yield self._case("BER: endless length", self._ec, E, E, b"\x30\x80" + plain[4:] + b"\x00\x00")
        yield self._case("BER: length in too many bytes", self._ec, E, E, b"\x30\x83\x00" + plain[2:])
        yield self._case("bad DER: something behind it", self._ec, R, R, plain + b"\x00")
        yield self._case("bad DER: twice", self._ec, R, R, plain + plain)
        rng = self._random
        for i in range(self._flips):
            key, leaf = leaves[i % 3]
            data = bytearray(leaf)
            bit = rng.randrange(len(data) * 8)
            data[bit // 8] ^= 1 << bit % 8
            yield self._case("bit flipped", key, E, R, bytes(data))
        for i in range(self._flips // 4):
            key, leaf = leaves[i % 3]
            yield self._case("cut short", key, R, R, leaf[: rng.randrange(len(leaf))])
        for i in range(self._flips // 4):
            key, leaf = leaves[i % 3]
            at = rng.randrange(len(leaf))
            new = rng.randbytes(rng.randrange(1, 5))
            yield self._case("bytes replaced", key, E, E if leaf[at : at + len(new)] == new else R, _put(leaf, at, new))
        for i in range(self._flips // 4):
            key, leaf = leaves[i % 3]
            at = rng.randrange(len(leaf))
            yield self._case("bytes inserted", key, E, R, leaf[:at] + rng.randbytes(rng.randrange(1, 5)) + leaf[at:])


def _with(key: Key, made: x509.ExtensionType, issuer: Issuer | None) -> bytes:
    return issue(key, issuer, (made, False))


def _put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new[: len(data) - at] + data[at + len(new) :]


def _oid(number: int) -> bytes:
    last = [0x80 | number >> 7, number & 0x7F] if number > 127 else [number]
    return der.element(0x06, bytes.fromhex("2b06010401868d1f") + bytes(last))


def _point(point: bytes) -> bytes:
    algorithm = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
    return der.element(0x30, algorithm + der.element(0x03, b"\0" + point))


def _compressed(key: ec.EllipticCurvePrivateKey) -> bytes:
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return _point(point)


def _dsa() -> bytes:
    number = der.element(0x02, b"\x01" * 128)
    algorithm = der.element(0x30, bytes.fromhex("06072a8648ce380401") + der.element(0x30, number * 3))
    return der.element(0x30, algorithm + der.element(0x03, b"\0" + number))


def _long_name() -> bytes:
    value = der.element(0x30, bytes.fromhex("0603550403") + der.element(0x0C, b"x" * 40_000))
    return der.element(0x30, der.element(0x31, value))


def _nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = der.element(0x30, data)
    return data
