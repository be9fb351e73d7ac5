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
from storage.seek_index import has_index

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
    ".mp3": ("mp3", {}),
    ".ogg": ("ogg", {}),
    ".flac": ("flac", {}),
}
_INDEXED = {".webm", ".m4a"}
"""Formats in which nobody can seek without an index."""
_RATE = 8000
"""Samples a second that loudness is measured on: voices are below half of it."""
_WINDOW = round(_RATE * WINDOW_SECONDS)
_FULL_SCALE = 1 << 15
_TRUE_SHARE, _TRUE_SECONDS = 0.02, 0.5
"""How far a header may be off: encoders' padding, and what variable bit rates are estimated by."""
_LOST_SECONDS = 0.5
"""What has to be damaged before it is said."""
_PLACE_TAGS = ("location", "xyz", "loci", "gps")


@dataclass(slots=True)
class _Heard:
    """What decoding brought. `seconds` is of all frames, `loudness` of those up to `rules.long_seconds`."""

    seconds: float = 0.0
    loudness: array[float] = field(default_factory=lambda: array("f"))
    heard_bytes: int = 0
    lost_bytes: int = 0
    """Of what is damaged between good parts. Behind the last one may be tags that FFmpeg does not know."""
    is_broken_off: bool = False
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
    is_seekable = (is_true or heard.is_cut) and stated is not None and has_index(source)
    warnings = []
    if heard.is_cut:
        warnings.append(MediaWarning.TOO_LONG)
    if heard.is_broken_off or heard.lost_bytes / max(1, heard.heard_bytes) * heard.seconds > _LOST_SECONDS:
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
    needs_index = source.suffix in _INDEXED and not is_seekable
    if not (needs_index or tells_place) or source.suffix not in _MUXERS:
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
    meter: _Meter | None = None
    for frame in _frames(container, heard):
        heard.seconds += frame.samples / frame.sample_rate
        if meter is None or not meter.takes(frame):  # recordings put together need not be of one kind
            if meter is not None:
                heard.loudness += meter.end()
            meter = _Meter(frame)
        heard.loudness += meter.measure(frame)
        if heard.seconds > rules.long_seconds:
            heard.is_cut = True
            break
    if meter is not None:
        heard.loudness += meter.end()
    return heard


class _Meter:
    """How loud frames like the first one are, a number from 0 to 1 a window."""

    def __init__(self, first: AudioFrame) -> None:
        self._kind = _kind_of(first)
        # Not all in one channel: some phones' two are each other's opposite, and nothing would be left.
        self._channels = min(2, len(first.layout.channels))
        self._resampler = AudioResampler("s16", ("mono", "stereo")[self._channels - 1], _RATE)
        self._samples: array[int] = array("h")

    def takes(self, frame: AudioFrame) -> bool:
        return _kind_of(frame) == self._kind

    def measure(self, frame: AudioFrame) -> array[float]:
        self._resample(frame)
        return self._windows(_WINDOW)

    def end(self) -> array[float]:
        """What is left, the last window as short as it is."""
        self._resample(None)
        return self._windows(1)

    def _resample(self, frame: AudioFrame | None) -> None:
        for resampled in self._resampler.resample(frame):
            size = resampled.samples * self._channels * self._samples.itemsize
            self._samples.frombytes(bytes(resampled.planes[0])[:size])

    def _windows(self, at_least: int) -> array[float]:
        """Whole windows, taken off the samples; with `at_least` 1 the rest as well. Each is as loud as its louder
        channel, measured from peak to peak: a microphone's offset makes no sound."""
        loudness: array[float] = array("f")
        done = 0
        while len(self._samples) - done >= at_least * self._channels:
            window = self._samples[done : done + _WINDOW * self._channels]
            channels = (window[channel :: self._channels] for channel in range(self._channels))
            loudness.append(max(max(each) - min(each) for each in channels) / (2 * _FULL_SCALE))
            done += len(window)
        del self._samples[:done]
        return loudness


def _kind_of(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _frames(container: InputContainer, heard: _Heard) -> Iterator[AudioFrame]:
    """Decoded as far as it goes: what is damaged is left out."""
    stream = container.streams.audio[0]
    packets = container.demux(stream)
    damaged_bytes = 0
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError:
            heard.is_broken_off = True
            return
        try:
            for frame in stream.decode(packet):
                heard.lost_bytes, damaged_bytes = heard.lost_bytes + damaged_bytes, 0
                yield frame
            heard.heard_bytes += packet.size
        except av.EOFError:
            return
        except av.FFmpegError:
            damaged_bytes += packet.size


def _agree(stated: float, heard: float) -> bool:
    return abs(stated - heard) <= max(_TRUE_SECONDS, _TRUE_SHARE * heard)


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
