"""Odd bodies on their way through the server: what is kept, what is refused, and no file name reaches the disk."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest

from tests.forms import BOUNDARY, Part, content_type, empty_input, encode, frame, part_bytes, text
from tests.handlers.kept import Kept
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import Cast
from tests.handlers.uploads import FORM, page, upload_head, whole_upload, writing_form
from tests.handlers.wire import connect, write_then_read
from tests.people import WRITING, files_of

pytestmark = pytest.mark.gen_test(timeout=60)

DELIMITER = b"--" + BOUNDARY.encode()
TEXTS = [part_bytes(text("user_test_id", 123)), part_bytes(text("exam_id", 456))]


def with_names(*parameters: bytes) -> bytes:
    """A right form whose first photo has these parameters after its name."""
    head = b"; ".join([b'Content-Disposition: form-data; name="task1_image1"', *parameters])
    second = part_bytes(Part("task2_image1", page(1), "page.jpg"))
    return frame([head + b"\r\nContent-Type: image/jpeg\r\n\r\n" + page(0), *TEXTS, second])


NAMES: dict[str, bytes] = {
    "a path of Windows": with_names(rb'filename="C:\Users\x\page.jpg"'),
    "a path upwards": with_names(b'filename="../../../../tmp/odd-upload.jpg"'),
    "an absolute path": with_names(b'filename="/tmp/odd-upload.jpg"'),
    "quotes with a backslash": with_names(rb'filename="my \"page\".jpg"'),
    "quotes with percent": with_names(b'filename="my %22page%22.jpg"'),
    "raw UTF-8": with_names('filename="бет o\u02bbzbekcha.jpg"'.encode()),
    "raw latin-1": with_names(b'filename="\xe9t\xe9.jpg"'),
    "a semicolon": with_names(b'filename="a; name=exam_id.jpg"'),
    "an extended name": with_names(b"filename*=UTF-8''..%2f..%2fpage.jpg"),
    "both names": with_names(b'filename="page.jpg"', b"filename*=UTF-8''%D0%B1%D0%B5%D1%82.jpg"),
    "a NUL": with_names(b'filename="page\x00.jpg"'),
}


async def test_no_file_name_refuses_a_file_or_reaches_the_disk(
    client: httpx.AsyncClient, cast: Cast, kept: Kept, subtests: pytest.Subtests
) -> None:
    for what, body in NAMES.items():
        with subtests.test(what):
            answer = await client.post(WRITING, content=body, headers=cast.student | FORM)
            assert answer.status_code == 201, answer.text
            assert [file["size_bytes"] for file in files_of(answer.json())] == [len(page(0)), len(page(1))]
    assert {path.read_bytes() for path in kept.files()} == {page(0), page(1)}
    assert all(re.fullmatch(r"[0-9a-z]+\.jpg", path.name) for path in kept.files())


TAKEN: dict[str, Callable[[], bytes]] = {
    "preamble and epilogue": lambda: b"preamble\r\n" + encode(writing_form()) + DELIMITER + b"\r\nepilogue",
    "no last line end": lambda: encode(writing_form()).removesuffix(b"\r\n"),
    "empty inputs": lambda: encode([empty_input("task1_image2"), *writing_form(), empty_input("photo")]),
    "lengths of parts, as OkHttp has them": lambda: frame(
        b"Content-Length: %d\r\n%b" % (len(part.content), part_bytes(part)) for part in writing_form()
    ),
    "folded and odd headers": lambda: frame(
        part_bytes(part).replace(b"Content-Disposition: form-data;", b"content-DISPOSITION:form-data;\r\n\t")
        for part in writing_form()
    ),
}


async def test_takes_odd_bodies_that_are_right(
    client: httpx.AsyncClient, cast: Cast, kept: Kept, subtests: pytest.Subtests
) -> None:
    for what, make in TAKEN.items():
        with subtests.test(what):
            answer = await client.post(WRITING, content=make(), headers=cast.student | FORM)
            assert answer.status_code == 201, answer.text
    assert {path.read_bytes() for path in kept.files()} == {page(0), page(1)}


@pytest.mark.parametrize("boundary", ["x", "b" * 70, "----=_Part_4_(1):a/b?c, d.'+e"])
async def test_takes_every_boundary_of_the_standard(
    boundary: str, client: httpx.AsyncClient, cast: Cast
) -> None:
    headers = cast.student | {"Content-Type": content_type(f'"{boundary}"')}
    answer = await client.post(WRITING, content=encode(writing_form(), boundary), headers=headers)
    assert answer.status_code == 201, answer.text


MALFORMED: dict[str, Callable[[], bytes]] = {
    "line feeds": lambda: encode(writing_form()).replace(b"\r\n", b"\n"),
    "a bare line feed before a header": lambda: frame([b"\n" + TEXTS[0], *TEXTS[1:]]),
    "two Content-Dispositions": lambda: frame([b'Content-Disposition: form-data; name="x"\r\n' + TEXTS[0]]),
    "ten thousand parts": lambda: encode(empty_input("task1_image1") for _ in range(10_000)),
    "ten thousand headers": lambda: frame([b"X-A: b\r\n" * 10_000 + TEXTS[0]]),
    "a header line of a mebibyte": lambda: frame([b"X: " + b"y" * (1 << 20) + b"\r\n" + TEXTS[0]]),
    "padding after a boundary": lambda: encode(writing_form()).replace(DELIMITER, DELIMITER + b"  ", 1),
    "a line that begins with the boundary": lambda: encode(writing_form()).replace(
        DELIMITER, DELIMITER + b"2", 1
    ),
}


async def test_refuses_broken_bodies_and_keeps_nothing(
    base_url: str, cast: Cast, kept: Kept, subtests: pytest.Subtests
) -> None:
    for what, make in MALFORMED.items():
        with subtests.test(what):
            body = make()
            answer = await write_then_read(base_url, upload_head(WRITING, len(body), cast.student) + body)
            Refusal(400, "malformed_body").check(answer)
            await kept.assert_nothing()


async def test_refuses_a_broken_body_alike_byte_by_byte(
    base_url: str, cast: Cast, kept: Kept, subtests: pytest.Subtests
) -> None:
    for what, make in MALFORMED.items():
        body = make()[:3000]
        with subtests.test(what):
            async with connect(base_url) as wire:
                await wire.send(upload_head(WRITING, len(body), cast.student))
                await wire.send(*(body[place : place + 1] for place in range(len(body))))
                Refusal(400, "malformed_body").check(await wire.answer())
            await kept.assert_nothing()


async def test_ten_thousand_texts_are_more_than_a_form_has(base_url: str, cast: Cast, kept: Kept) -> None:
    upload = whole_upload(WRITING, (text("note", number) for number in range(10_000)), cast.student)
    answer = await write_then_read(base_url, upload)
    Refusal(400, "invalid_form").check(answer)
    assert "more than 100 fields" in answer.json()["error"]
    await kept.assert_nothing()


async def test_the_closing_boundary_alone_is_a_form_that_lacks_everything(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    answer = await client.post(WRITING, content=encode([]), headers=cast.student | FORM)
    Refusal(400, "missing_fields").check(answer)
    assert answer.json()["details"].keys() == {"user_test_id", "exam_id", "task1_image1", "task2_image1"}
    await kept.assert_nothing()
