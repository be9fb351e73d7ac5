"""Listens to one recording with PyAV (FFmpeg) and makes its seekable copy. Blocking, and slow on purpose made
files: only for the process that is made for it (`server/examining.py`).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer

from storage.domain.examination import (
    WINDOW_SECONDS,
    CopyUse,
    Examined,
    FileCopy,
    MediaWarning,
    WarningRules,
    is_silent,
    peaks_of,
)
from storage.domain.media_rules import MEDIA_TYPE_BY_EXTENSION
from storage.made_copy import blame_disk, described

_DEMUXERS = {
    ".mp3": "mp3",
    ".wav": "wav",
    ".webm": "matroska",
    ".ogg": "ogg",
    ".flac": "flac",
    ".aac": "aac",
    ".m4a": "mov",
}
"""Named, not probed: FFmpeg would also read play lists, which name other files."""
_ESTIMATED = {".mp3", ".aac"}
"""Formats that do not say how long they are: FFmpeg guesses, far off where the bit rate varies."""
_MUXERS: dict[str, tuple[str, dict[str, str]]] = {
    ".webm": ("webm", {"cues_to_front": "1"}),
    ".m4a": ("mp4", {"movflags": "faststart"}),
}
_RATE = 8000
"""Samples a second that loudness is measured on: voices are below half of it."""
_WINDOW = round(_RATE * WINDOW_SECONDS)
_FULL_SCALE = 1 << 15
_TRUE_SHARE, _TRUE_SECONDS = 0.02, 0.5
"""How far a header may be off: encoders' padding, and what variable bit rates are estimated by."""
_PLACE_TAGS = ("location", "xyz", "loci", "gps")
_FRAGMENT = b"moof"


@dataclass(slots=True)
class _Heard:
    """What decoding brought. `seconds` is of all frames, `loudness` of those up to `rules.long_seconds`."""

    seconds: float = 0.0
    loudness: array[float] = field(default_factory=lambda: array("f"))
    is_damaged: bool = False
    is_cut: bool = False


def examine_recording(source: Path, places: Mapping[CopyUse, Path], rules: WarningRules) -> Examined:
    """What is found, with a seekable copy at its place if the original is none. Whatever cannot be read is a
    warning, not an error."""
    try:
        with _open(source) as container:
            stream = container.streams.audio[0]
            codec = stream.codec_context.codec.canonical_name
            stated = _stated_seconds(container, source)
            tells_place = any(
                part in name.lower()
                for tags in (container.metadata, stream.metadata)
                for name in tags
                for part in _PLACE_TAGS
            )
            heard = _listen(container, rules)
    except (av.FFmpegError, ValueError, LookupError) as error:
        blame_disk(error)
        return Examined((MediaWarning.UNREADABLE,))
    if not heard.seconds:
        return Examined((MediaWarning.UNREADABLE,), codec=codec)
    is_true = stated is not None and _agree(stated, heard.seconds)
    is_seekable = (is_true or heard.is_cut) and stated is not None and not _is_fragmented(source)
    warnings = []
    if heard.is_cut:
        warnings.append(MediaWarning.TOO_LONG)
    if heard.is_damaged:
        warnings.append(MediaWarning.INCOMPLETE)
    if stated is not None and not is_true and not heard.is_cut:
        warnings.append(MediaWarning.WRONG_DURATION)
    if heard.seconds < rules.short_seconds:
        warnings.append(MediaWarning.VERY_SHORT)
    if is_silent(heard.loudness, rules):
        warnings.append(MediaWarning.SILENT)
    result = Examined(
        warnings=tuple(warnings),
        duration_seconds=round(stated if stated is not None and is_true else heard.seconds, 3),
        codec=codec,
        bitrate=round(source.stat().st_size * 8 / heard.seconds) if not heard.is_cut else None,
        peaks=peaks_of(heard.loudness),
    )
    if (is_seekable and not tells_place) or source.suffix not in _MUXERS:
        return result
    copy = _seekable_copy(source, places[CopyUse.VIEW])
    return replace(result, copies=(copy,) if copy else ())


def _open(source: Path) -> InputContainer:
    return av.open(
        str(source), format=_DEMUXERS[source.suffix], container_options={"protocol_whitelist": "file"}
    )


def _stated_seconds(container: InputContainer, source: Path) -> float | None:
    """How long the file says it is, if it does."""
    if not container.duration or source.suffix in _ESTIMATED:
        return None
    return container.duration / av.time_base


def _listen(container: InputContainer, rules: WarningRules) -> _Heard:
    heard = _Heard()
    resampler = AudioResampler("s16", "mono", _RATE)
    samples: array[int] = array("h")
    for frame in _frames(container, heard):
        heard.seconds += frame.samples / frame.sample_rate
        for resampled in resampler.resample(frame):
            samples.frombytes(bytes(resampled.planes[0])[: resampled.samples * 2])
        _measure(samples, heard, _WINDOW)
        if heard.seconds > rules.long_seconds:
            heard.is_cut = True
            break
    if not heard.is_cut and heard.seconds:
        for resampled in resampler.resample(None):
            samples.frombytes(bytes(resampled.planes[0])[: resampled.samples * 2])
    _measure(samples, heard, 1)
    return heard


def _measure(samples: array[int], heard: _Heard, at_least: int) -> None:
    """Take whole windows off `samples`; with `at_least` 1 the rest as well."""
    done = 0
    while len(samples) - done >= max(1, at_least):
        window = samples[done : done + _WINDOW]
        heard.loudness.append(max(abs(max(window)), abs(min(window))) / _FULL_SCALE)
        done += len(window)
    del samples[:done]


def _frames(container: InputContainer, heard: _Heard) -> Iterator[AudioFrame]:
    """Decoded as far as it goes: what is damaged is left out."""
    stream = container.streams.audio[0]
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError:
            heard.is_damaged = True
            return
        try:
            yield from stream.decode(packet)
        except av.EOFError:
            return
        except av.FFmpegError:
            heard.is_damaged = True


def _agree(stated: float, heard: float) -> bool:
    return abs(stated - heard) <= max(_TRUE_SECONDS, _TRUE_SHARE * heard)


def _is_fragmented(source: Path) -> bool:
    """An MP4 written while it was recorded: how long it is only all of its fragments tell (ISO/IEC 14496-12, 4.2:
    boxes of a size and a name)."""
    if source.suffix != ".m4a":
        return False
    with source.open("rb") as file:
        while len(head := file.read(16)) >= 8:
            if head[4:8] == _FRAGMENT:
                return True
            size, header = int.from_bytes(head[:4], "big"), 8
            if size == 1:
                size, header = int.from_bytes(head[8:16], "big"), 16
            if size < header:  # to the end of the file, or broken
                return False
            file.seek(size - len(head), 1)
    return False


def _seekable_copy(source: Path, place: Path) -> FileCopy | None:
    """The same packets with a duration and an index, and without tags; None if they do not fit together."""
    muxer, options = _MUXERS[source.suffix]
    try:
        with _open(source) as original, av.open(str(place), "w", format=muxer, options=options) as copy:
            streams = {
                stream.index: copy.add_stream_from_template(stream)
                for stream in (*original.streams.audio[:1], *original.streams.video[:1])
            }
            for packet in original.demux([original.streams[index] for index in streams]):
                if packet.dts is None:  # the end
                    continue
                packet.stream = streams[packet.stream_index]
                copy.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        blame_disk(error)
        place.unlink(missing_ok=True)
        return None
    with place.open("r+b") as file:
        return described(file, place, CopyUse.VIEW, MEDIA_TYPE_BY_EXTENSION[source.suffix[1:]])
