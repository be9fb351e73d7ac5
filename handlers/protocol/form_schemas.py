"""The two upload forms as OpenAPI describes them, from the same patterns that read them. Pure."""

from __future__ import annotations

from typing import Any

from handlers.protocol import speaking_form, writing_form
from handlers.protocol.operations import Form, Schema
from storage.domain.media_rules import MEDIA_TYPE_BY_EXTENSION

_ID: Schema = {"type": "integer", "minimum": 1, "maximum": (1 << 53) - 1}
_IMAGES = ", ".join(sorted({kind for kind in MEDIA_TYPE_BY_EXTENSION.values() if kind.startswith("image/")}))
_SOUNDS = ", ".join(sorted({kind for kind in MEDIA_TYPE_BY_EXTENSION.values() if kind.startswith("audio/")}))
_UNKNOWN = "Other text fields are ignored, other file fields refused."


def _file(description: str) -> Schema:
    return {"type": "string", "format": "binary", "description": description}


def writing() -> Form:
    """Photos of both tasks."""
    image = _file("JPEG or PNG, at most `limits.image_bytes` (10 MiB).")
    shown = ("task1_image1", "task1_image2", "task2_image1", "task2_image2", "task2_image3")
    schema: dict[str, Any] = {
        "type": "object",
        "description": (
            f"At most `limits.images_per_task` (10) photos a task; their numbers need not be gapless. {_UNKNOWN}"
        ),
        "required": ["user_test_id", "exam_id"],
        "properties": {
            "user_test_id": _ID,
            "exam_id": _ID,
            "section_type": {"const": "writing"},
            **dict.fromkeys(shown, image),
        },
        "patternProperties": {f"^{writing_form.IMAGE.pattern}$": image},
    }
    return Form(schema, {name: {"contentType": _IMAGES} for name in shown})


def speaking() -> Form:
    """Recordings by question, or by part."""
    audio = _file("MP3, WAV, WebM, M4A/MP4/AAC, OGG or FLAC, at most `limits.audio_bytes` (50 MiB).")
    by_question = ("answers[0][speaking_audio]", "answers[1][speaking_audio]")
    by_part = ("part1_audio", "part2_audio", "part3_audio")
    schema: dict[str, Any] = {
        "type": "object",
        "description": (
            "Either `answers[i][question]` with `answers[i][speaking_audio]`, each question once and each pair "
            "whole, at most `limits.answers` (20); or `part1_audio` to `part3_audio`, at least one, with "
            f"`user_test_id`, `exam_id` and `section_type`. {_UNKNOWN}"
        ),
        "properties": {
            "test_result_id": _ID,
            "user_test_id": _ID,
            "exam_id": _ID,
            "section_type": {"const": "speaking"},
            "answers[0][question]": _ID,
            "answers[0][speaking_audio]": audio,
            "answers[1][question]": _ID,
            "answers[1][speaking_audio]": audio,
            **dict.fromkeys(by_part, audio),
        },
        "patternProperties": {
            f"^{speaking_form.QUESTION.pattern}$": _ID,
            f"^{speaking_form.AUDIO.pattern}$": audio,
            f"^{speaking_form.PART.pattern}$": audio,
        },
    }
    return Form(schema, {name: {"contentType": _SOUNDS} for name in (*by_question, *by_part)})
