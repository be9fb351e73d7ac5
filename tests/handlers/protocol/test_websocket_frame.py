"""text_frame against a WebSocket implementation that is not ours."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from handlers.protocol.websocket_frame import text_frame


@pytest.mark.parametrize("size_bytes", [0, 1, 125, 126, 127, 65535, 65536, 1 << 20])
def test_every_length_is_read_as_one_whole_text(size_bytes: int) -> None:
    payload = b"\xc3\xa9" * (size_bytes // 2) + b"x" * (size_bytes % 2)
    stream = StreamReader()
    stream.feed_data(text_frame(payload))
    stream.feed_eof()
    parsing = Frame.parse(stream.read_exact, mask=False)
    with pytest.raises(StopIteration) as parsed:
        next(parsing)
    assert parsed.value.value == Frame(Opcode.TEXT, payload)
    assert stream.at_eof()
