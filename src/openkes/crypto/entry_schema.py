"""The protobuf message of a stored entry, as data: generated code would tie the package to one protobuf release.

Fields 1 to 4 are upstream's. Fields from 15 on are this project's; upstream ignores them.

 15 Tag        HMAC-SHA256 of all bytes behind it under the newest key; the first field on the wire
 16 Name       the name the entry was stored under
 17 Older      earlier versions of the key, newest first; absent before the first rotation
 18 Version    number of the newest version; absent before the first rotation
 19 DeletedAt  when deletion was asked for; absent on a living key
 20 PurgeAt    when the entry may go for good
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

_TIMESTAMP = ".google.protobuf.Timestamp"


def entry_class() -> Any:
    """The message class `Entry`."""
    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="openkes/entry.proto", package="openkes.entry", syntax="proto3")
    file.dependency.append("google/protobuf/timestamp.proto")

    def message(name: str, *fields: tuple[str, int, int, str]) -> None:
        made = file.message_type.add(name=name)
        for field, number, type_, type_name in fields:
            label = kind.LABEL_REPEATED if field == "Older" else kind.LABEL_OPTIONAL
            made.field.add(name=field, number=number, type=type_, type_name=type_name or None, label=label)

    message("CipherKey", ("Key", 1, kind.TYPE_BYTES, ""), ("Type", 2, kind.TYPE_UINT32, ""))
    message("HMACKey", ("Key", 1, kind.TYPE_BYTES, ""), ("Hash", 2, kind.TYPE_UINT32, ""))
    message(
        "OlderKey",
        ("Key", 1, kind.TYPE_MESSAGE, ".openkes.entry.CipherKey"),
        ("CreatedAt", 3, kind.TYPE_MESSAGE, _TIMESTAMP),
        ("CreatedBy", 4, kind.TYPE_STRING, ""),
        ("Version", 5, kind.TYPE_UINT32, ""),
    )
    message(
        "Entry",
        ("Key", 1, kind.TYPE_MESSAGE, ".openkes.entry.CipherKey"),
        ("HMACKey", 2, kind.TYPE_MESSAGE, ".openkes.entry.HMACKey"),
        ("CreatedAt", 3, kind.TYPE_MESSAGE, _TIMESTAMP),
        ("CreatedBy", 4, kind.TYPE_STRING, ""),
        ("Tag", 15, kind.TYPE_BYTES, ""),
        ("Name", 16, kind.TYPE_STRING, ""),
        ("Older", 17, kind.TYPE_MESSAGE, ".openkes.entry.OlderKey"),
        ("Version", 18, kind.TYPE_UINT32, ""),
        ("DeletedAt", 19, kind.TYPE_MESSAGE, _TIMESTAMP),
        ("PurgeAt", 20, kind.TYPE_MESSAGE, _TIMESTAMP),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("openkes.entry.Entry"))
