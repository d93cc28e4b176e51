"""Bytes that nobody should send: random ones, and valid messages with something wrong. Seeded: repeatable."""

import random
from collections.abc import Iterator

from google.protobuf.message import Message


def random_bytes(rng: random.Random) -> bytes:
    """Up to 200 bytes; half of them begin like a message."""
    size = rng.choice((0, 1, 2, rng.randrange(3, 20), rng.randrange(20, 200)))
    noise = rng.randbytes(size)
    return (
        bytes([rng.randrange(1, 16) << 3 | rng.choice((0, 1, 2, 5))]) + noise if rng.random() < 0.5 else noise
    )


def mutated(rng: random.Random, valid: bytes) -> bytes:
    """A valid message with one to three things wrong."""
    made = valid
    for _ in range(rng.randrange(1, 4)):
        made = rng.choice(MUTATIONS)(rng, made)
    return made[:100_000]


def _flip(rng: random.Random, data: bytes) -> bytes:
    """One bit is another."""
    if not data:
        return data
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def _drop(rng: random.Random, data: bytes) -> bytes:
    """A piece is missing."""
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.randrange(1, 9) :]


def _cut(rng: random.Random, data: bytes) -> bytes:
    """The end is missing."""
    return data[: rng.randrange(len(data) + 1)]


def _double(rng: random.Random, data: bytes) -> bytes:
    """Everything comes twice: lists grow, single fields are overwritten."""
    return data + data


def _noise(rng: random.Random, data: bytes) -> bytes:
    """A few bytes more somewhere."""
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.randbytes(rng.randrange(1, 12)) + data[place:]


def _huge(rng: random.Random, data: bytes) -> bytes:
    """A number field with an extreme value."""
    tag = bytes([rng.randrange(1, 16) << 3])
    return data + tag + rng.choice((b"\xff" * 9 + b"\x01", b"\x80" * 9 + b"\x01", b"\xff\xff\xff\xff\x07"))


def _deep(rng: random.Random, data: bytes) -> bytes:
    """A field nested in itself many times."""
    tag, made = bytes([rng.randrange(1, 16) << 3 | 2]), b""
    for _ in range(rng.choice((5, 99, 101, 200))):
        size, length = len(made), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        made = tag + length + bytes([size]) + made
    return data + made


def _text(rng: random.Random, data: bytes) -> bytes:
    """A text field with an awkward value."""
    text = rng.choice(TEXTS)
    size, length = len(text), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return data + bytes([rng.randrange(1, 16) << 3 | 2]) + length + bytes([size]) + text


def _double_value(rng: random.Random, data: bytes) -> bytes:
    """A floating-point field with an awkward value."""
    import struct

    number = rng.choice((float("nan"), float("inf"), -float("inf"), -0.0, 5e-324, 1.7e308, -1.7e308))
    return data + bytes([rng.randrange(1, 16) << 3 | 1]) + struct.pack("<d", number)


TEXTS = (
    b"",
    b"\xff\xfe",
    b"\xed\xa0\x80",  # half of a surrogate pair
    b"a\x00b",
    "\u202eevil".encode(),
    b"\n",
    b" ",
    b"' OR 1=1 --",
    b"../../etc/passwd",
    b"%00",
    "\U0001f9ea".encode() * 200,
    b"x" * 70_000,
)
MUTATIONS = (_flip, _drop, _cut, _double, _noise, _huge, _deep, _text, _double_value)


def cases(seed: str, valid: list[Message], random_count: int, mutated_count: int) -> Iterator[bytes]:
    """What to send to one RPC."""
    rng = random.Random(seed)
    yield from (random_bytes(rng) for _ in range(random_count))
    raw = [message.SerializeToString() for message in valid]
    yield from (mutated(rng, rng.choice(raw)) for _ in range(mutated_count))
