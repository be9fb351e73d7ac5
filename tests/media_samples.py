"""Real media for the tests, made in memory: photos with Pillow, recordings with PyAV (FFmpeg's encoders).

The same arguments give the same bytes, as long as the pinned Pillow and PyAV stay the same.
"""

from __future__ import annotations

import array
import io
import math
import random
import struct
import zipfile
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Literal

import av
from av.audio.stream import AudioStream
from PIL import Image

_JPEG_BYTES_PER_PIXEL = 0.21
"""Of `photo` at its default quality, measured; `photo_of_bytes` turns a size into an area with it."""

_LONG_TAG_CHARACTERS = 6_000
"""An ID3 tag longer than the head libmagic is shown, as cover art makes it: no frame is in sight."""


@dataclass(frozen=True, slots=True)
class _Encoding:
    """How FFmpeg makes one kind of recording, and what the server calls it (MediaFormat.media_type)."""

    media_type: str
    container: str
    codec: str
    rate: int = 44_100
    layout: Literal["mono", "stereo"] = "mono"
    muxer: dict[str, str] = field(default_factory=dict)
    encoder: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    seekable: bool = True


_TITLE = {"title": "Question 1"}
_ENCODINGS: dict[str, _Encoding] = {
    "mp3": _Encoding("audio/mpeg", "mp3", "libmp3lame", tags=_TITLE),
    "mp3-long-id3": _Encoding(
        "audio/mpeg", "mp3", "libmp3lame", tags=_TITLE | {"comment": "x" * _LONG_TAG_CHARACTERS}
    ),
    "mp3-no-id3": _Encoding(
        # The MP3 muxer's switch is the tag's version, where 0 writes none; write_id3v2 belongs to others.
        "audio/mpeg",
        "mp3",
        "libmp3lame",
        muxer={"id3v2_version": "0", "write_xing": "0"},
    ),
    "wav": _Encoding("audio/wav", "wav", "pcm_s16le", rate=16_000),
    "webm": _Encoding("audio/webm", "webm", "libopus", rate=48_000),
    # What MediaRecorder hands over: written to the end and never gone back into, so no duration and no cues.
    "webm-live": _Encoding("audio/webm", "webm", "libopus", rate=48_000, muxer={"live": "1"}, seekable=False),
    "m4a": _Encoding("audio/mp4", "ipod", "aac"),
    "mp4": _Encoding("audio/mp4", "mp4", "aac", muxer={"brand": "isom"}),
    # The same in MP4, as a recorder that makes MP4 must do it: fragments after an empty index.
    "mp4-live": _Encoding(
        "audio/mp4",
        "mp4",
        "aac",
        muxer={"brand": "iso5", "movflags": "frag_keyframe+empty_moov+default_base_moof"},
        seekable=False,
    ),
    "aac": _Encoding("audio/aac", "adts", "aac"),
    # PyAV's wheels have no libvorbis; FFmpeg's own encoder is called experimental and knows stereo only.
    "ogg-vorbis": _Encoding(
        "audio/ogg", "ogg", "vorbis", layout="stereo", encoder={"strict": "experimental"}
    ),
    "ogg-opus": _Encoding("audio/ogg", "ogg", "libopus", rate=48_000),
    "flac": _Encoding("audio/flac", "flac", "flac"),
}
_MATROSKA = _Encoding("video/x-matroska", "matroska", "libopus", rate=48_000)

RECORDINGS: dict[str, str] = {kind: encoding.media_type for kind, encoding in _ENCODINGS.items()}
"""Every kind that `recording` makes, and the media type the server reports for it."""


def photo(
    width: int = 640,
    height: int = 480,
    *,
    seed: int = 0,
    format: Literal["JPEG", "PNG"] = "JPEG",
    quality: int = 85,
) -> bytes:
    """A picture with the soft areas and the grain of a photo; `quality` (1 to 95) is for JPEG only."""
    return _encoded(_picture(width, height, seed), format, quality=quality)


def photo_of_bytes(size: int, *, seed: int = 0) -> bytes:
    """A JPEG photo of about `size` bytes, within a tenth from 20 kB on; `padded` gives an exact size."""
    height = max(16, math.isqrt(int(size / _JPEG_BYTES_PER_PIXEL * 3 / 4)))
    return photo(height * 4 // 3, height, seed=seed)


def recording(kind: str, seconds: float = 1.0, *, seed: int = 0) -> bytes:
    """A recording in one of the formats of the API document ("Supported Audio Formats"), a key of RECORDINGS."""
    return _encode(_ENCODINGS[kind], seconds, seed)


def sound_of(kind: str, pcm: bytes) -> bytes:
    """The same of given sound: 16-bit samples at the rate of that kind."""
    encoding = _ENCODINGS[kind]
    return _encode(encoding, len(pcm) / 2 / encoding.rate, seed=0, pcm=pcm)


def padded(data: bytes, size: int) -> bytes:
    """`data` (a WAV or a JPEG: players stop at the end these formats mark) with zeros up to `size` bytes.

    Raises ValueError if it is longer than that already.
    """
    if len(data) > size:
        raise ValueError(f"{len(data)} bytes cannot be padded to {size}")
    return data.ljust(size, b"\0")


def not_media() -> dict[str, bytes]:
    """Files to refuse, whatever they are sent as, by a name that says what they are."""
    picture = _picture(64, 48, seed=0)
    return {
        "text": b"The candidate answered the first question.\n" * 20,
        "html": b"<!DOCTYPE html>\n<html><body><script>alert(document.cookie)</script></body></html>\n",
        "svg": (
            b'<?xml version="1.0" encoding="UTF-8"?>\n'
            b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>\n'
        ),
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n",
        "elf": _elf_header(),
        "zip": _archive(),
        "gif": _encoded(picture, "GIF"),
        "webp": _encoded(picture, "WEBP"),
        "mkv": _encode(_MATROSKA, 0.2, seed=0),
        "random": _noise(0).randbytes(8_192),
    }


def _noise(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  # repeatable samples, no secrets


def _picture(width: int, height: int, seed: int) -> Image.Image:
    noise = _noise(seed)
    coarse = (max(1, width // 40), max(1, height // 40))
    shapes = Image.frombytes("RGB", coarse, noise.randbytes(3 * coarse[0] * coarse[1]))
    grain = Image.frombytes("RGB", (width, height), noise.randbytes(3 * width * height))
    return Image.blend(shapes.resize((width, height), Image.Resampling.BICUBIC), grain, 0.1)


def _encoded(picture: Image.Image, format_name: str, **options: int) -> bytes:
    output = io.BytesIO()
    picture.save(output, format_name, **options)
    return output.getvalue()


class _Pipe:
    """A file that can only be written to, as a stream on its way to a browser's script is."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, chunk: bytes) -> int:
        self._written += chunk
        return len(chunk)

    def getvalue(self) -> bytes:
        return bytes(self._written)


def _encode(encoding: _Encoding, seconds: float, seed: int, pcm: bytes | None = None) -> bytes:
    output = io.BytesIO() if encoding.seekable else _Pipe()
    # Without bitexact, Ogg and Matroska draw random serial numbers.
    options = {"fflags": "bitexact"} | encoding.muxer
    with av.open(output, "w", format=encoding.container, container_options=options) as container:
        container.metadata.update(encoding.tags)
        stream = container.add_stream(
            encoding.codec, rate=encoding.rate, layout=encoding.layout, options=dict(encoding.encoder)
        )
        assert isinstance(stream, AudioStream)
        container.mux(stream.encode(_sound(encoding, seconds, seed, pcm)))
        container.mux(stream.encode(None))
    return output.getvalue()


def _sound(encoding: _Encoding, seconds: float, seed: int, pcm: bytes | None) -> av.AudioFrame:
    channels = 2 if encoding.layout == "stereo" else 1
    count = max(1, round(encoding.rate * seconds))
    if pcm is None:
        second = _voice_second(encoding.rate, channels, seed)
        pcm = (second * math.ceil(count / encoding.rate))[: count * channels * 2]
    frame = av.AudioFrame(format="s16", layout=encoding.layout, samples=count)
    plane = frame.planes[0]
    plane.update(pcm.ljust(plane.buffer_size, b"\0"))  # a plane is longer than its samples, for alignment
    frame.sample_rate = encoding.rate
    frame.time_base = Fraction(1, encoding.rate)
    frame.pts = 0
    return frame


@cache
def _voice_second(rate: int, channels: int, seed: int) -> bytes:
    """One second of interleaved 16-bit samples: a wavering tone with its overtones, and some hiss."""
    noise = _noise(seed)
    pitch = noise.randrange(100, 220)
    samples = array.array("h")
    for index in range(rate):
        angle = math.tau * pitch * index / rate
        tone = math.sin(angle) + 0.5 * math.sin(2 * angle) + 0.25 * math.sin(5 * angle)
        loudness = 0.6 + 0.4 * math.sin(math.tau * 3 * index / rate)
        value = round(6_000 * tone * loudness) + noise.randrange(-300, 300)
        samples.extend([value] * channels)
    return samples.tobytes()


def _elf_header() -> bytes:
    """The header of a 64-bit little-endian executable for x86-64 without sections (System V ABI, chapter 4)."""
    identity = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    return identity + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x400078, 64, 0, 0, 64, 56, 0, 64, 0, 0)


def _archive() -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr(zipfile.ZipInfo("answer.txt"), "The candidate answered the first question.\n")
    return output.getvalue()
