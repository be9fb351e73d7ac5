"""What an examination says about an uploaded file, and when it warns. Pure.

A warning says that an answer may not be possible to grade; it refuses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

PEAKS = 200
"""Of one recording: as many bars as a player of a phone's width can show."""
PEAK_FULL = 100
WINDOW_SECONDS = 0.01
"""What one loudness is measured over: a syllable has twenty of them."""


class MediaWarning(StrEnum):
    """Why an answer may not be possible to grade, with the sentence for the student."""

    sentence: str
    """Safe to show."""

    def __new__(cls, code: str, sentence: str) -> MediaWarning:
        warning = str.__new__(cls, code)
        warning._value_ = code
        warning.sentence = sentence
        return warning

    SILENT = "silent", "Nothing can be heard in this recording"
    VERY_SHORT = "very_short", "This recording is very short"
    TOO_LONG = "too_long", "This recording is too long to be examined as a whole"
    WRONG_DURATION = "wrong_duration", "This recording is not as long as it says"
    BLANK = "blank", "Nothing can be seen in this photo"
    TINY = "tiny", "This photo is too small to be read"
    TOO_LARGE = "too_large", "This photo has too many pixels to be examined"
    INCOMPLETE = "incomplete", "A part of this file is missing or damaged"
    UNREADABLE = "unreadable", "This file cannot be opened"


class CopyUse(StrEnum):
    """What a copy is for, and how its name ends before its extension."""

    VIEW = "view"
    """To be looked at or listened to in place of the original."""
    THUMBNAIL = "thumb"


@dataclass(frozen=True, slots=True)
class FileCopy:
    """A file made of an original. `path` is as that of a `StoredFile`."""

    use: CopyUse
    path: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Examined:
    """What is known of one file; None where it is a file of the other kind, or could not be found out.

    `width` and `height` are those of the upright photo. `bitrate` is bits a second on average. `peaks` has the
    greatest amplitude of each of up to PEAKS equal parts of the recording, from 0 to PEAK_FULL.
    """

    warnings: tuple[MediaWarning, ...] = ()
    copies: tuple[FileCopy, ...] = ()
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None
    codec: str | None = None
    bitrate: int | None = None
    peaks: bytes = b""

    def copy_for(self, use: CopyUse) -> FileCopy | None:
        return next((copy for copy in self.copies if copy.use is use), None)


@dataclass(frozen=True, slots=True)
class WarningRules:
    """See `examination` in config.yaml."""

    tiny_pixels: int
    photo_pixels: int
    blank_contrast: float
    short_seconds: float
    long_seconds: float
    silence_dbfs: float
    voice_seconds: float


def is_silent(loudness: Sequence[float], rules: WarningRules) -> bool:
    """True if hardly any window of a recording (WINDOW_SECONDS; amplitudes from 0 to 1) is loud enough for a voice.
    One click or bump is not: of a recording shorter than that, half of it has to be."""
    threshold = 10 ** (rules.silence_dbfs / 20)
    wanted = min(rules.voice_seconds / WINDOW_SECONDS, len(loudness) / 2)
    return sum(window >= threshold for window in loudness) < max(1, wanted)


def peaks_of(loudness: Sequence[float]) -> bytes:
    """The waveform to draw: the windows' amplitudes in up to PEAKS parts."""
    count = min(PEAKS, len(loudness))
    bounds = [len(loudness) * part // count for part in range(count + 1)] if count else []
    return bytes(
        min(PEAK_FULL, round(PEAK_FULL * max(loudness[first:end]))) for first, end in pairwise(bounds)
    )
