"""Looks at one photo with Pillow and makes its viewing copy and its thumbnail. Blocking, and slow on purpose made
files: only for the process that is made for it (`server/examining.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageFile, ImageFilter, ImageOps, ImageStat

from storage.domain.examination import CopyUse, Examined, FileCopy, MediaWarning, WarningRules
from storage.domain.photo_metadata import orientation_in, without_metadata
from storage.made_copy import blame_disk, write_copy

_VIEW_PIXELS = 4096
"""Of the longer side of a photo that had to be turned: handwriting on A4 at 350 dots an inch."""
_THUMBNAIL_PIXELS = 320
_CONTRAST_PIXELS = 512
_CONTRAST_RADIUS = 4
"""Slow changes of light over a page are no writing; strokes are narrower than this, at `_CONTRAST_PIXELS`."""
_QUALITY = 90
_FORMATS = {".jpg": "JPEG", ".png": "PNG"}
_MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png"}
_SIDEWAYS = range(5, 9)

Image.MAX_IMAGE_PIXELS = None  # `rules.photo_pixels` is asked before anything is decoded


def examine_photo(source: Path, places: Mapping[CopyUse, Path], rules: WarningRules) -> Examined:
    """What is found, with copies at some of `places`. Whatever cannot be read is a warning, not an error."""
    format_name = _FORMATS[source.suffix]
    try:
        with Image.open(source, formats=[format_name]) as opened:
            orientation = orientation_in(opened.info.get("exif", b""))
            width, height = opened.size[::-1] if orientation in _SIDEWAYS else opened.size
    except (OSError, SyntaxError, ValueError, ArithmeticError, LookupError) as error:
        blame_disk(error)
        return Examined((MediaWarning.UNREADABLE,))
    result = Examined(width=width, height=height)
    warnings = [MediaWarning.TINY] if min(width, height) < rules.tiny_pixels else []
    if width * height > rules.photo_pixels:
        # Shown it may be: every browser has bounds of its own.
        copies = _clean_copy(source, places[CopyUse.VIEW], format_name)
        return replace(result, warnings=(*warnings, MediaWarning.TOO_LARGE), copies=copies)
    copies = ()
    if orientation in range(2, 9):
        view, damaged = _upright(source, format_name)
        copies = (_saved(view, places[CopyUse.VIEW], CopyUse.VIEW, format_name),)
    else:
        view, damaged = _upright(source, format_name, _CONTRAST_PIXELS)
        copies = _clean_copy(source, places[CopyUse.VIEW], format_name)
    small = _flat(view)
    small.thumbnail((_CONTRAST_PIXELS, _CONTRAST_PIXELS))
    if _contrast(small.convert("L")) < rules.blank_contrast:
        warnings.append(MediaWarning.BLANK)
    if damaged:
        warnings.append(MediaWarning.INCOMPLETE)
    small.thumbnail((_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS))
    thumbnail = _saved(small, places[CopyUse.THUMBNAIL], CopyUse.THUMBNAIL, "JPEG")
    return replace(result, warnings=tuple(warnings), copies=(*copies, thumbnail))


def _upright(source: Path, format_name: str, side: int = _VIEW_PIXELS) -> tuple[Image.Image, bool]:
    """The photo as it is to be seen, no larger than needed, and whether a part of it is missing."""
    try:
        return _decoded(source, format_name, side), False
    except (OSError, SyntaxError, ValueError) as error:
        blame_disk(error)
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            return _decoded(source, format_name, side), True
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = False


def _decoded(source: Path, format_name: str, side: int) -> Image.Image:
    with Image.open(source, formats=[format_name]) as image:
        scale = min(1.0, side / max(image.size))
        # A JPEG can be decoded at a half, a quarter or an eighth: a tenth of the memory and of the time.
        image.draft(None, (max(1, int(image.width * scale)), max(1, int(image.height * scale))))
        image.load()
        profile = image.info.get("icc_profile")
        upright = ImageOps.exif_transpose(image)
    if max(upright.size) > side:
        upright.thumbnail((side, side))
    upright.info = {"icc_profile": profile} if profile else {}
    return upright


def _clean_copy(source: Path, place: Path, format_name: str) -> tuple[FileCopy, ...]:
    """Without metadata, to the byte; none where there is none in it."""
    content = source.read_bytes()
    clean = without_metadata(content)
    if clean == content:
        return ()
    return (write_copy(place, CopyUse.VIEW, _MEDIA_TYPES[format_name], lambda file: file.write(clean)),)


def _saved(image: Image.Image, place: Path, use: CopyUse, format_name: str) -> FileCopy:
    options: dict[str, Any] = {"quality": _QUALITY} if format_name == "JPEG" else {}
    options["icc_profile"] = image.info.get("icc_profile")
    save: Callable[[Any], object] = lambda file: image.save(file, format_name, **options)  # noqa: E731
    return write_copy(place, use, _MEDIA_TYPES[format_name], save)


def _flat(image: Image.Image) -> Image.Image:
    """On white paper, in colours that every thumbnail can have."""
    if image.mode.startswith("I"):  # 16 bits of grey
        image = image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image)
    profile = image.info.get("icc_profile") if image.mode == "RGB" else None
    flat = image.convert("RGB")
    flat.info = {"icc_profile": profile} if profile else {}
    return flat


def _contrast(grey: Image.Image) -> float:
    """How much there is to see: the standard deviation, of 255, of what is finer than shadows on a page."""
    detail = ImageChops.subtract(grey, grey.filter(ImageFilter.GaussianBlur(_CONTRAST_RADIUS)), offset=128)
    return ImageStat.Stat(detail).stddev[0]
