"""Signed media links: good for their file and their time, for nothing else."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handlers.protocol.media_link import MediaLinks

KEY, OLD_KEY, FOREIGN_KEY = b"k" * 32, b"o" * 32, b"f" * 32
PATH = "writing/2025/10/08/0f1e2d.jpg"
NOW = 1_760_000_000.0
LINKS = MediaLinks((KEY,), ttl_seconds=3600)


def query_of(url: str) -> tuple[str, str]:
    query = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert query.keys() == {"expires", "signature"}
    return query["expires"][0], query["signature"][0]


def test_a_link_is_relative_and_holds_path_time_and_signature() -> None:
    url = urlsplit(LINKS.url(PATH, NOW))
    assert (url.scheme, url.netloc, url.path) == ("", "", f"/media/{PATH}")
    expires, signature = query_of(LINKS.url(PATH, NOW))
    assert expires.isdigit()
    assert len(signature) == 32


@settings(deadline=None, max_examples=300)
@example(now=NOW + 0.9, ttl_seconds=10, share=0.95)
@given(
    st.floats(0, 4e9, allow_nan=False),
    st.integers(10, 100_000),
    st.floats(0, 1, exclude_max=True, allow_nan=False),
)
def test_a_link_is_good_for_all_of_its_time(now: float, ttl_seconds: int, share: float) -> None:
    links = MediaLinks((KEY,), ttl_seconds)
    later = now + ttl_seconds * share * 0.999_999
    assert links.opens(PATH, *query_of(links.url(PATH, now)), later)


@settings(deadline=None, max_examples=300)
@given(st.floats(0, 4e9, allow_nan=False), st.integers(10, 100_000))
def test_a_link_is_good_for_at_most_a_tenth_more(now: float, ttl_seconds: int) -> None:
    links = MediaLinks((KEY,), ttl_seconds)
    assert not links.opens(PATH, *query_of(links.url(PATH, now)), now + ttl_seconds * 1.1 + 1)


def test_a_link_is_over_at_the_second_it_names() -> None:
    expires, signature = query_of(LINKS.url(PATH, NOW))
    assert LINKS.opens(PATH, expires, signature, int(expires) - 0.001)
    assert not LINKS.opens(PATH, expires, signature, int(expires))


def test_links_made_close_to_each_other_are_the_same() -> None:
    start = NOW - NOW % 360
    assert len({LINKS.url(PATH, start + second) for second in range(1, 361)}) == 1
    assert len({LINKS.url(PATH, start + second) for second in range(0, 3600, 360)}) == 10


def test_a_link_opens_no_other_file() -> None:
    query = query_of(LINKS.url(PATH, NOW))
    for other in (PATH[:-1], PATH + "x", PATH.upper(), f"/{PATH}", f"{PATH}:1", ""):
        assert not LINKS.opens(other, *query, NOW)


def test_a_path_cannot_borrow_the_time_of_another() -> None:
    expires, signature = query_of(LINKS.url("a:1", NOW))
    assert not LINKS.opens("a", f"1:{expires}", signature, NOW)


def test_a_link_cannot_be_prolonged() -> None:
    expires, signature = query_of(LINKS.url(PATH, NOW))
    assert not LINKS.opens(PATH, str(int(expires) + 1), signature, NOW)


@pytest.mark.parametrize(
    "expires",
    ["", "0", "-1", "+1760009999", "1e12", " 1760009999", "١٧٦٠٠٠٩٩٩٩", "9" * 13, "never", "1760009999.5"],
)
def test_refuses_a_time_it_did_not_write(expires: str) -> None:
    assert not LINKS.opens(PATH, expires, query_of(LINKS.url(PATH, NOW))[1], NOW)


def test_refuses_a_tampered_signature() -> None:
    expires, signature = query_of(LINKS.url(PATH, NOW))
    flipped = ("0" if signature[0] != "0" else "1") + signature[1:]
    for tampered in ("", flipped, signature[:-1], signature + "0", signature.upper() + " ", "ў" * 32):
        assert not LINKS.opens(PATH, expires, tampered, NOW)


def test_honours_links_of_an_earlier_key_and_signs_with_the_first() -> None:
    rotated = MediaLinks((KEY, OLD_KEY), ttl_seconds=3600)
    old = MediaLinks((OLD_KEY,), ttl_seconds=3600)
    assert rotated.opens(PATH, *query_of(old.url(PATH, NOW)), NOW)
    assert rotated.url(PATH, NOW) == LINKS.url(PATH, NOW) != old.url(PATH, NOW)
    assert not old.opens(PATH, *query_of(rotated.url(PATH, NOW)), NOW)


def test_refuses_links_of_a_foreign_key() -> None:
    foreign = MediaLinks((FOREIGN_KEY,), ttl_seconds=3600)
    assert not LINKS.opens(PATH, *query_of(foreign.url(PATH, NOW)), NOW)
