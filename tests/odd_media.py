"""Media that people and attackers send besides good answers: sideways, located, silent, blank, broken, swollen."""

from __future__ import annotations

import io
import math
import struct
import wave
import zlib
from typing import Literal

import av
from PIL import Image

from storage.domain.examination import WarningRules
from tests.media_samples import photo, recording, sound_of

ORIENTATION, GPS, MAKE = 0x0112, 0x8825, 0x010F
LATITUDE = (41.0, 18.0, 40.0)
SIDEWAYS = 6
"""How a phone that is held upright stores its photos: the row 0 is the right-hand side."""

RULES = WarningRules(
    tiny_pixels=400,
    photo_pixels=100_000_000,
    blank_contrast=1,
    short_seconds=2,
    long_seconds=3600,
    silence_dbfs=-40,
    voice_seconds=0.3,
)
"""Those of config.yaml."""


def phone_photo(
    width: int = 800,
    height: int = 600,
    *,
    orientation: int = SIDEWAYS,
    format: Literal["JPEG", "PNG"] = "JPEG",
) -> bytes:
    """With what a phone writes besides: which side is up, and where and with what it was taken. Its stored left
    half is white and its right half black, with a photo's grain in both."""
    picture = Image.open(io.BytesIO(photo(width, height, format="PNG")))
    halves = Image.new("RGB", (width, height), "white")
    halves.paste("black", (width // 2, 0, width, height))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[MAKE] = "PhoneMaker"
    exif.get_ifd(GPS).update({1: "N", 2: LATITUDE, 3: "E", 4: (69.0, 14.0, 0.0)})
    return _saved(Image.blend(halves, picture, 0.2), format, exif=exif)


def blank_photo(width: int = 1200, height: int = 900) -> bytes:
    """A hand before the lens."""
    return _saved(Image.new("RGB", (width, height), (24, 16, 12)), "JPEG")


def decompression_bomb(side: int = 30_000) -> bytes:
    """A PNG of a few kB that takes a gigabyte to decode."""
    row = zlib.compressobj(9)
    data = b"".join(row.compress(bytes(1 + side // 8)) for _ in range(side)) + row.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def truncated(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def silence(seconds: float = 5.0) -> bytes:
    """What a muted microphone records."""
    return sound_of("wav", bytes(2 * round(16_000 * seconds)))


def recording_at(place: str, seconds: float = 3.0, kind: str = "m4a", muxer: str = "mp4") -> bytes:
    """A recording of a phone that notes where it is (ISO 6709)."""
    output = io.BytesIO()
    with (
        av.open(io.BytesIO(recording(kind, seconds)), "r") as source,
        av.open(output, "w", format=muxer) as container,
    ):
        stream = container.add_stream_from_template(source.streams.audio[0])
        for tags in (container.metadata, stream.metadata):
            tags["location"] = place
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    return output.getvalue()


def opposite_channels(seconds: float = 3.0) -> bytes:
    """A phone's WAV in stereo whose one channel is the other's negative: together they are nothing."""
    one = [
        round(8000 * math.sin(2 * math.pi * 440 * sample / 16_000))
        for sample in range(round(16_000 * seconds))
    ]
    output = io.BytesIO()
    with wave.open(output, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"".join(struct.pack("<hh", sample, -sample) for sample in one))
    return output.getvalue()


def two_kinds(seconds: float = 3.0) -> bytes:
    """MP3 frames behind others of another rate and other channels."""
    output = io.BytesIO()
    with av.open(output, "w", format="mp3", options={"id3v2_version": "0", "write_xing": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=22_050, layout="stereo")
        with av.open(io.BytesIO(recording("wav", seconds)), "r") as source:
            for frame in source.decode(audio=0):
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return recording("mp3-no-id3", seconds) + output.getvalue()


def noise_after_header() -> bytes:
    """A browser's recording up to its first cluster, and then nothing that means anything."""
    whole = recording("webm-live", 3.0)
    begin = whole.index(b"\x1f\x43\xb6\x75")
    return whole[:begin] + bytes((index * 7919) % 251 for index in range(50_000))


def without_cues(seconds: float = 3.0) -> bytes:
    """What pages make of a browser's recording that write its duration into it, and no index: its Cues are Void
    (RFC 9559, 5.1.5; RFC 8794, 11.3.2)."""
    whole = recording("webm", seconds)
    where = whole.rindex(b"\x1c\x53\xbb\x6b")
    size_bytes = 9 - whole[where + 4].bit_length()
    size = int.from_bytes(whole[where + 4 : where + 4 + size_bytes], "big") - (1 << (7 * size_bytes))
    head = b"\xec" + (size + (1 << (7 * (3 + size_bytes)))).to_bytes(3 + size_bytes, "big")
    return whole[:where] + head + whole[where + len(head) :]


def ten_hours_long(seconds: float = 3.0) -> bytes:
    """A recording that says it lasts ten hours. Matroska's Duration is a float64 in ms (RFC 9559, 5.1.2.10)."""
    whole = recording("webm", seconds)
    where = whole.index(b"\x44\x89\x88") + 3
    return whole[:where] + struct.pack(">d", 36_000_000.0) + whole[where + 8 :]


def duration_of(content: bytes) -> float | None:
    """In seconds, as the file says."""
    with av.open(io.BytesIO(content), "r") as container:
        return container.duration / av.time_base if container.duration else None


def chunk(kind: bytes, data: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _saved(picture: Image.Image, format_name: str, **options: object) -> bytes:
    output = io.BytesIO()
    picture.save(output, format_name, **options)
    return output.getvalue()
