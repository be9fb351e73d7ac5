"""text_frame against a WebSocket implementation that is not ours."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from handlers.protocol.websocket_frame import FRAGMENT_BYTES, text_frame, text_frames

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 65537, 2 * 65536, 1 << 20]


def payload_of(size_bytes: int) -> bytes:
    return b"\xc3\xa9" * (size_bytes // 2) + b"x" * (size_bytes % 2)


def parsed(data: bytes) -> list[Frame]:
    stream, frames = StreamReader(), list[Frame]()
    stream.feed_data(data)
    stream.feed_eof()
    while stream.buffer:
        with pytest.raises(StopIteration) as done:
            next(Frame.parse(stream.read_exact, mask=False))
        frames.append(done.value.value)
    return frames


@pytest.mark.parametrize("size_bytes", SIZES)
def test_every_length_is_read_as_one_whole_text(size_bytes: int) -> None:
    payload = payload_of(size_bytes)
    assert parsed(text_frame(payload)) == [Frame(Opcode.TEXT, payload)]


@pytest.mark.parametrize("size_bytes", SIZES)
def test_a_long_message_comes_in_fragments_of_one_text(size_bytes: int) -> None:
    payload = payload_of(size_bytes)
    frames = parsed(b"".join(text_frames(payload)))
    assert b"".join(bytes(frame.data) for frame in frames) == payload
    assert all(len(frame.data) <= FRAGMENT_BYTES for frame in frames)
    assert [frame.opcode for frame in frames] == [Opcode.TEXT] + [Opcode.CONT] * (len(frames) - 1)
    assert [frame.fin for frame in frames] == [False] * (len(frames) - 1) + [True]
    assert len(frames) == max(1, -(-size_bytes // FRAGMENT_BYTES))
