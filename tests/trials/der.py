"""DER taken apart without judging it: an opinion on certificates that is independent of the code under test."""

from __future__ import annotations


def head(der: bytes, at: int = 0) -> tuple[int, int]:
    """Where the content of the element at `at` begins and ends. IndexError when it is cut short."""
    length, begin = der[at + 1], at + 2
    if length == 0x80 and at == 0:  # BER: until two bytes of zero, here the last ones
        length = len(der) - 4
    elif length & 0x80:
        count = length & 0x7F
        length, begin = int.from_bytes(der[begin : begin + count]), begin + count
    if begin + length > len(der):
        raise IndexError("cut short")
    return begin, begin + length


def element(tag: int, content: bytes) -> bytes:
    """Tag, length, content."""
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(size)]) + size + content


def children(content: bytes) -> list[bytes]:
    """The elements of a content, whole. IndexError."""
    found, at = [], 0
    while at < len(content):
        end = head(content, at)[1]
        found.append(content[at:end])
        at = end
    return found


def tbs_of(certificate: bytes) -> bytes:
    """The signed part, whole. IndexError."""
    begin, end = head(certificate)
    return children(certificate[begin:end])[0]


def fields_of(certificate: bytes) -> list[bytes]:
    """The fields of the signed part. IndexError."""
    tbs = tbs_of(certificate)
    begin, end = head(tbs)
    return children(tbs[begin:end])


def spki_of(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo, whole. IndexError."""
    fields = fields_of(certificate)
    return fields[6 if fields[0][0] == 0xA0 else 5]
