"""The only file that imports Motor, PyMongo or BSON: connection, errors, replica set, change streams.

Motor is in maintenance upstream; whoever replaces it starts, and ends, here.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from bson.timestamp import Timestamp
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import ASCENDING, DESCENDING, IndexModel, MongoClient, ReturnDocument, WriteConcern
from pymongo.errors import (
    BulkWriteError,
    CollectionInvalid,
    ConnectionFailure,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri

from storage.domain.errors import Unavailable

__all__ = [
    "ASCENDING",
    "DESCENDING",
    "Collection",
    "Database",
    "DuplicateKeyError",
    "IndexModel",
    "PositionLost",
    "RawBatch",
    "RawChange",
    "ReturnDocument",
    "await_primary",
    "cause_of",
    "check_uri",
    "rename_member",
    "unavailable_while_down",
]

Document = dict[str, Any]
Collection = AsyncIOMotorCollection[Document]

ACKNOWLEDGED = WriteConcern(w="majority", j=True)
"""Promise 1: a write counts once a majority has it in its journal."""

_SOCKET_TIMEOUT_MS = 30_000
_UNRESUMABLE = {260, 280, 286}
"""InvalidResumeToken, ChangeStreamFatalError, ChangeStreamHistoryLost: after a drop, a restore, or too long."""
_BATCH = 100
"""Events fetched at once: the replay of a busy ten minutes must not stand in memory as a whole."""
_AWAIT_MS = 500
"""How long MongoDB may wait for an event before it says that there is none."""
_ALREADY_INITIALIZED = 23
_DUPLICATE_KEY = 11000
_WIRE_VERSION_8_0 = 25


class PositionLost(Exception):
    """The oplog no longer reaches back to where the change stream was: events in between are gone."""


@dataclass(frozen=True, slots=True)
class RawChange:
    """One event of the oplog: the document as that event left it, when it is known, and its id."""

    offset: int
    document_id: Any
    document: Document | None


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Events in their order, or none yet, and the token that resumes after them.

    The token also moves past what the stream left out: one that only moved with events would be too old to resume
    from after a quiet night.
    """

    changes: list[RawChange]
    token: Mapping[str, Any]


@contextmanager
def unavailable_while_down() -> Iterator[None]:
    """Turn what the driver raises while MongoDB cannot serve into Unavailable; a duplicate key passes."""
    try:
        yield
    except DuplicateKeyError:
        raise
    except PyMongoError as error:
        raise Unavailable from error


async def _insert_one(collection: Collection, document: Document) -> Exception | None:
    try:
        with unavailable_while_down():
            await collection.insert_one(document)
    except (DuplicateKeyError, Unavailable) as error:
        return error
    return None


def _refused(error: Mapping[str, Any]) -> Exception:
    if error["code"] == _DUPLICATE_KEY:
        return DuplicateKeyError(error["errmsg"], _DUPLICATE_KEY, dict(error))
    refused = Unavailable()
    refused.__cause__ = OperationFailure(error["errmsg"], error["code"], dict(error))
    return refused


class Database:
    """A MongoDB replica set's database, by URI. Every operation has a deadline of its own."""

    def __init__(self, uri: str, name: str, *, timeout_seconds: float) -> None:
        self._client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            uri,
            tz_aware=True,
            serverSelectionTimeoutMS=int(timeout_seconds * 1000),
            connectTimeoutMS=int(timeout_seconds * 1000),
            socketTimeoutMS=_SOCKET_TIMEOUT_MS,
            waitQueueTimeoutMS=int(timeout_seconds * 1000),
            appname="turantalim-upload-server",
        )
        self._database: AsyncIOMotorDatabase[Document] = self._client.get_database(
            name, write_concern=ACKNOWLEDGED
        )
        self._groups_events = False
        """MongoDB 8.0 and newer write the documents of one command as one entry of the oplog: its events would
        share their cluster time, which must tell them apart (design section 4)."""

    def collection(self, name: str) -> Collection:
        return self._database.get_collection(name)

    def acknowledged(self, name: str) -> Collection:
        """Collection `name` as a majority has it in its journal: nothing in it is ever taken back (promise 1)."""
        return self._database.get_collection(name, read_concern=ReadConcern("majority"))

    def volatile(self, name: str) -> Collection:
        """Collection `name` for what may be lost: a write counts once the primary has it in memory."""
        return self._database.get_collection(name, write_concern=WriteConcern(w=1))

    async def ensure_collection_with_images(self, name: str) -> None:
        """Make sure collection `name` keeps pre- and post-images, so that every change event can carry the
        document exactly as that event left it (MongoDB 6.0 manual, "Change Streams with Document Pre- and
        Post-Images"). A plain look-up would show a later state under an earlier event's name."""
        images = {"enabled": True}
        with unavailable_while_down():
            try:
                await self._database.create_collection(name, changeStreamPreAndPostImages=images)
            except CollectionInvalid:
                # It is there. Only a collection made by someone else is changed: the role readWrite, which is
                # all we ask for, may create one with images and may not change one.
                reply = await self._database.command({"listCollections": 1, "filter": {"name": name}})
                options = reply["cursor"]["firstBatch"][0].get("options", {})
                if options.get("changeStreamPreAndPostImages") != images:
                    await self._database.command({"collMod": name, "changeStreamPreAndPostImages": images})

    async def insert_each(self, name: str, documents: Sequence[Document]) -> list[Exception | None]:
        """Insert into collection `name`, each document on its own account: None, the DuplicateKeyError of one that
        a unique index refused, or Unavailable for what was refused otherwise. Raises Unavailable if MongoDB cannot
        tell."""
        collection = self.collection(name)
        if self._groups_events:
            return await asyncio.gather(*(_insert_one(collection, document) for document in documents))
        outcomes: list[Exception | None] = [None] * len(documents)
        with unavailable_while_down():
            try:
                await collection.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                if error.details["writeConcernErrors"]:
                    raise
                for refused in error.details["writeErrors"]:
                    outcomes[refused["index"]] = _refused(refused)
        return outcomes

    async def once(self, collection: str, key: str, value: str) -> str:
        """The value kept under `key`: `value` if there was none, whoever came first if several ask at once."""
        with unavailable_while_down():
            kept = await self.collection(collection).find_one_and_update(
                {"_id": key},
                {"$setOnInsert": {"value": value}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        return str(kept["value"])

    async def primary_time(self) -> int:
        """The offset of the primary's latest operation; raises Unavailable if there is no primary."""
        with unavailable_while_down():
            reply = await self._client.admin.command("hello")
            self._groups_events = reply["maxWireVersion"] >= _WIRE_VERSION_8_0
            if "setName" not in reply:
                raise Unavailable("this MongoDB is no replica set, which change streams need")
            if not reply.get("isWritablePrimary"):
                raise Unavailable
            return _offset(reply["operationTime"])

    async def reachable(self, collection: str, present: int, past_seconds: float) -> int:
        """The offset `past_seconds` before `present` if a change stream can start there, else `present`."""
        past = max(1 << 20, present - (int(past_seconds) << 20))
        try:
            with unavailable_while_down():
                async with self.collection(collection).watch(
                    start_at_operation_time=_timestamp(past), max_await_time_ms=1
                ) as stream:
                    await stream.try_next()
        except Unavailable as error:
            if _is_unresumable(error):
                return present
            raise
        return past

    async def changes(
        self, name: str, pipeline: list[Mapping[str, Any]], *, after: Mapping[str, Any] | None, since: int
    ) -> AsyncGenerator[RawBatch, None]:
        """Follow collection `name` from the resume token `after`, or after offset `since` when there is none.

        Raises Unavailable when the stream breaks and PositionLost when it cannot be resumed from there.
        """
        start: Mapping[str, Any] = (
            {"resumeAfter": after} if after else {"startAtOperationTime": _timestamp(since + 1)}
        )
        stage = {"$changeStream": {"fullDocument": "whenAvailable", **start}}
        has_begun = False
        try:
            async with aclosing(self._batches(name, [stage, *pipeline])) as batches:
                async for changes, token in batches:
                    has_begun = True
                    yield RawBatch([_raw(change) for change in changes], token)
        except Unavailable as error:
            # Whatever MongoDB has against a token: without one it may have nothing.
            refuses_token = (
                after is not None and not has_begun and isinstance(error.__cause__, OperationFailure)
            )
            if refuses_token or _is_unresumable(error):
                raise PositionLost from error
            raise
        raise PositionLost  # the stream ended: the collection was dropped or renamed

    async def _batches(
        self, name: str, stages: list[Mapping[str, Any]]
    ) -> AsyncGenerator[tuple[list[Document], Document], None]:
        """What a change stream over collection `name` brings until it ends: batches of events, often empty, each
        with the token that resumes after it.

        Not Motor's `watch`, which goes to a thread and back for each event. Nor its command cursor: one that is
        left while MongoDB waits for events is killed under its own `getMore`, whose error then nobody retrieves.
        """
        run, options = self._database.command, self._database.codec_options
        begin = {"aggregate": name, "pipeline": stages, "cursor": {"batchSize": _BATCH}}
        more = {"collection": name, "batchSize": _BATCH, "maxTimeMS": _AWAIT_MS}
        with unavailable_while_down():
            async with await self._client.start_session() as session:
                cursor = (await run(begin, session=session, codec_options=options))["cursor"]
                try:
                    yield cursor["firstBatch"], cursor["postBatchResumeToken"]
                    while number := cursor["id"]:
                        reply = await run({"getMore": number, **more}, session=session, codec_options=options)
                        cursor = reply["cursor"]
                        yield cursor["nextBatch"], cursor["postBatchResumeToken"]
                finally:
                    if cursor["id"]:
                        with suppress(PyMongoError):
                            await run({"killCursors": name, "cursors": [cursor["id"]]})

    def close(self) -> None:
        self._client.close()


def cause_of(error: Unavailable | PositionLost) -> str:
    """Why MongoDB was not available, without the server's whole reply and the state of every server known."""
    shown = error.shown if isinstance(error, Unavailable) else "the change stream ended"
    return re.split(r", full error:|, Timeout:", str(error.__cause__ or shown))[0]


def _is_unresumable(error: Unavailable) -> bool:
    cause = error.__cause__
    return isinstance(cause, OperationFailure) and cause.code in _UNRESUMABLE


def check_uri(uri: str) -> None:
    """Raise ValueError, in words without the password, if the driver cannot read a mongodb:// URI."""
    try:
        parse_uri(uri)
    except PyMongoError as error:
        raise ValueError(str(error)) from None


def _raw(change: Document) -> RawChange:
    return RawChange(
        offset=_offset(change["clusterTime"]),
        document_id=change["documentKey"]["_id"],
        document=change.get("fullDocument"),
    )


def _offset(moment: Timestamp) -> int:
    """Cluster time in 53 bits, exact in a JavaScript number: seconds · 2²⁰ + increment (design section 4)."""
    return int(moment.time) * (1 << 20) + int(moment.inc)


def _timestamp(offset: int) -> Timestamp:
    return Timestamp(offset >> 20, offset & ((1 << 20) - 1))


def await_primary(
    port: int, replica_set: str, timeout_seconds: float, *, initiate: bool, alive: Callable[[], None]
) -> None:
    """Wait until the `mongod` on loopback `port` is the primary of its one-member `replica_set`; blocks.

    `initiate`: make it one if it is not yet. `alive` is called while waiting and may raise to give up. Raises
    TimeoutError.
    """
    deadline = time.monotonic() + timeout_seconds
    with _direct_client(port) as client:
        while time.monotonic() < deadline:
            alive()
            with suppress(ConnectionFailure):
                hello = client.admin.command("hello")
                if hello.get("isWritablePrimary"):
                    return
                if initiate and "setName" not in hello:
                    _initiate(client, replica_set, f"127.0.0.1:{port}")
                    initiate = False
            time.sleep(0.02)
    raise TimeoutError


def rename_member(port: int, host: str, timeout_seconds: float, *, alive: Callable[[], None]) -> None:
    """Give the one member its new address while its `mongod` runs on `port` outside the replica set; blocks.

    MongoDB manual, "Change Hostnames in a Self-Managed Replica Set", offline: a member that is asked to find itself
    under an old address may wait for whoever listens there now. Raises TimeoutError.
    """
    deadline = time.monotonic() + timeout_seconds
    with _direct_client(port) as client:
        while time.monotonic() < deadline:
            alive()
            with suppress(ConnectionFailure):
                client.local["system.replset"].update_one({}, {"$set": {"members.0.host": host}})
                return
            time.sleep(0.02)
    raise TimeoutError


def _direct_client(port: int) -> MongoClient[Document]:
    return MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=200)


def _initiate(client: MongoClient[Document], replica_set: str, host: str) -> None:
    config = {"_id": replica_set, "members": [{"_id": 0, "host": host}]}
    try:
        client.admin.command("replSetInitiate", config)
    except OperationFailure as error:
        if error.code != _ALREADY_INITIALIZED:
            raise
