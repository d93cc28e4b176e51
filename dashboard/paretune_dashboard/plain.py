"""Messages as JSON values."""

from typing import Any

from google.protobuf.json_format import MessageToDict


def plain(message: Any) -> dict[str, Any]:
    """A message as JSON values: the names of the protos, 64-bit integers as text, no unset message."""
    document: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return document
