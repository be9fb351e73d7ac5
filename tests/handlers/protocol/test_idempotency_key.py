"""The headers by which a client names an upload."""

from __future__ import annotations

import pytest

from handlers.protocol.idempotency_key import read_key, read_upload_id
from storage.domain.errors import InvalidRequest


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (None, None),
        ("k", "k"),
        (" 8e03978e-40d5-43dd-bc93-6894a57f9324 ", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ('"quoted"', "quoted"),
        ('"', '"'),
        ('""', '""'),
        ("x" * 255, "x" * 255),
    ],
)
def test_a_key_is_read(header: str | None, key: str | None) -> None:
    assert read_key(header) == key


@pytest.mark.parametrize("header", ["", " ", "a b", "clé", "\x7f", "x" * 256, '"a b"'])
def test_what_is_no_key_is_refused_by_its_name(header: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_key(header)
    assert list(refused.value.details) == ["Idempotency-Key"]


@pytest.mark.parametrize("header", ["upload-1", "A" * 64, "0123-abcd"])
def test_an_upload_id_is_read(header: str) -> None:
    assert read_upload_id(header) == header


@pytest.mark.parametrize(
    "header", [None, "", "short", "A" * 65, "under_score", "ends-in-newline\n", "ümlaut-1"]
)
def test_any_other_upload_id_is_ignored(header: str | None) -> None:
    assert read_upload_id(header) is None
