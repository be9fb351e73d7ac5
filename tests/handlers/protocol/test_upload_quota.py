"""How many uploads there may be at once, and how large together."""

from __future__ import annotations

import pytest

from handlers.protocol.slots import LocalSlots
from handlers.protocol.upload_quota import QuotaLimits, UploadQuota
from storage.domain.errors import Busy, TooManyUploads


def quota_of_three() -> UploadQuota:
    """Three uploads in all, two of a user, a hundred bytes together."""
    return UploadQuota(QuotaLimits(uploads=3, draft_bytes=100), LocalSlots(2))


def test_a_user_has_so_many_and_gets_another_when_one_is_over() -> None:
    quota = quota_of_three()
    first, _ = quota.enter("42"), quota.enter("42")
    with pytest.raises(TooManyUploads):
        quota.enter("42")
    first.leave()
    quota.enter("42")


def test_all_users_together_have_so_many() -> None:
    quota = quota_of_three()
    shares = [quota.enter(user) for user in ("1", "2", "3")]
    with pytest.raises(Busy):
        quota.enter("4")
    shares[0].leave()
    quota.enter("4")


def test_their_bytes_together_are_bounded_and_given_back() -> None:
    quota = quota_of_three()
    one, other = quota.enter("1"), quota.enter("2")
    one.take(60)
    other.take(40)
    with pytest.raises(Busy):
        other.take(1)
    with pytest.raises(Busy):
        quota.enter("3")
    one.leave()
    other.take(60)
    other.leave()
    assert quota.draft_bytes == 0


def test_leaving_twice_counts_once() -> None:
    quota = quota_of_three()
    share, other = quota.enter("1"), quota.enter("1")
    share.take(10)
    share.leave()
    share.leave()
    assert (quota.uploads, quota.draft_bytes) == (1, 0)
    other.leave()
    assert quota.uploads == 0


def test_one_who_was_refused_is_not_counted() -> None:
    quota = quota_of_three()
    shares = [quota.enter("1"), quota.enter("1")]
    for _ in range(3):
        with pytest.raises(TooManyUploads):
            quota.enter("1")
    for share in shares:
        share.leave()
    assert quota.uploads == 0


def test_one_who_found_all_places_taken_has_used_none_of_their_own() -> None:
    per_user = LocalSlots(1)
    quota = UploadQuota(QuotaLimits(uploads=1, draft_bytes=100), per_user)
    other = quota.enter("1")
    with pytest.raises(Busy):
        quota.enter("2")
    other.leave()
    quota.enter("2")
