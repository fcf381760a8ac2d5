"""One scan, run by this process.

First the facts: all files below the roots are compared with the videos, and what is new or changed is read, and staged in the
database. Then videos without their file are paired with staged files of the same content, and what is left is new, or the new
content of the video at its path. Then films are probed whose content is not known yet: what they hold is kept with the identity of
that content. Each step is a transaction that can be repeated, so a scan that was killed goes on from its
beginning: it finds videos that have their places, and reads no staged file and no probed film again.

No transaction is open while a disk is waited for. Memory is bounded by `BATCH` files, the largest folder, and the ids of videos whose
files are gone.
"""

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.jobs.periodic import run_every
from dbcommon.rows import AnyRow
from dbcommon.schedule import Schedule
from videovault.changes import repository as changes
from videovault.files import repository as files
from videovault.files.comparing import Comparison, KnownFile, Seen, compare
from videovault.files.pairing import LostVideo, pair
from videovault.files.paths import to_bytes
from videovault.files.walking import FoundFile, RootMark, RootUnreachable, Trouble, read_mark, walk
from videovault.media import repository as media
from videovault.media.calls import MediaWorkers
from videovault.models import ScanStatus
from videovault.query.service import index_rows
from videovault.roots.folders import is_allowed
from videovault.roots.repository import bounds
from videovault.scans import repository
from videovault.scans.probing import probe_films, tell_failure
from videovault.scans.reading import read_files
from videovault.scans.schemas import MOST_ERRORS
from videovault.scans.tally import Tally
from videovault.settings import Settings

BATCH = 1000
"""Files that are compared at once, and rows that a transaction changes."""

READ_AT_ONCE = 200
"""Files that are read before they are staged."""

PROBE_AT_ONCE = 50
"""Films that are probed before what they hold is stored."""

LEASE = timedelta(seconds=15)
"""A process that does not prolong its scan for so long has died; another one takes it."""

HOLD_SECONDS = 1.0
"""How often the scan is prolonged, and its progress stored."""


class ScanLost(Exception):
    """The scan was cancelled, or another process has it."""


class RootNotAllowed(RootUnreachable):
    """The settings of this process do not name the root's folder."""


class ScanRun:
    """A run of a scan that `repository.claim` has given to the token `runner`. Without `media_workers` no film is probed."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        scan: AnyRow,
        runner: UUID,
        *,
        media_workers: MediaWorkers | None = None,
    ) -> None:
        self.tally = Tally(scan.result)
        self._database = database
        self._settings = settings
        self._scan = scan
        self._runner = runner
        self._media_workers = media_workers
        self._lock = asyncio.Lock()
        """Progress is not stored while a transaction counts what is not committed yet."""
        self._is_lost = False
        self._hidden: list[str] = []
        self._gone: set[UUID] = set()
        """Videos that are not missing yet, and whose file was not found: some of them have moved."""

    async def run(self) -> ScanStatus:
        """Scan the roots; how it ended. Raises `ScanLost`, and what the database raises."""
        holding = Schedule(seconds=HOLD_SECONDS)
        async with run_every(holding, self._hold, name="the progress of a scan"):
            roots = await repository.list_roots(self._database, self._scan.id)
            reached = [root for root in roots if await self.look_at(root)]
            run = files.Run(self._runner, tuple(root.id for root in reached))
            await self._pair(run)
            await self._place_rest(run)
            await self._mark_missing()
            for root in reached:
                await self._probe(root)
            await index_rows(self._database)
        spans = [bounds(root.path) for root in roots]
        self.tally.result.missing = sum([await files.count_missing(self._database, *span) for span in spans])
        status: ScanStatus = "done" if len(reached) == len(roots) else "root_unreachable"
        async with self._writing() as db:
            await repository.delete_staged(db, run.root_ids)
            await repository.hold(db, self._scan.id, self._runner, lease=LEASE, result=self.tally.as_json())
            await repository.finish(db, self._scan.id, self._runner, status=status)
        return status

    async def _hold(self) -> None:
        async with self._lock, self._database.transaction() as db:
            held = await repository.hold(
                db, self._scan.id, self._runner, lease=LEASE, result=self.tally.as_json()
            )
            await repository.tell(db, self._scan.id)
        self._is_lost = not held

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncSession]:
        """A transaction of the scan, in which what it counts is stored with what it does."""
        held = {"lease": LEASE}
        async with self._lock, self._database.transaction() as db:
            if not await repository.hold(
                db, self._scan.id, self._runner, **held, result=self.tally.as_json()
            ):
                raise ScanLost
            await changes.begin(db, changes.By(actor=f"scan:{self._scan.id}"))
            yield db
            await repository.hold(db, self._scan.id, self._runner, **held, result=self.tally.as_json())

    async def look_at(self, root: AnyRow) -> bool:
        """Compare the root's files with its videos, and stage what is new or changed. False if it cannot be reached."""
        try:
            mark = await self._visit(root)
        except RootUnreachable as unreachable:
            self.tally.note(Trouble(root.path, "root_unreachable", str(unreachable)))
            # A wrong setting says nothing about the files.
            if not isinstance(unreachable, RootNotAllowed):
                async with self._writing() as db:
                    await files.mark_all_missing(db, *bounds(root.path))
            return False
        if mark is not None and (root.device, root.inode) != (mark.device, mark.inode):
            async with self._writing() as db:
                await repository.note_mark(db, root.id, mark)
        return True

    async def _visit(self, root: AnyRow) -> RootMark | None:
        """Which folder the root is, if it has files. Raises `RootUnreachable`."""
        path = root.path_bytes or root.path.encode()
        mark = await asyncio.to_thread(self._check, path)
        found, known = await self._compare(root, path)
        if await asyncio.to_thread(self._check, path) != mark:
            raise RootUnreachable("another folder took its place during the scan")
        if known and not found and (root.device, root.inode) != (mark.device, mark.inode):
            raise RootUnreachable("it is empty, and not the folder that the files were in")
        return mark if found else None

    def _check(self, path: bytes) -> RootMark:
        if not is_allowed(path, self._settings.media_folders):
            raise RootNotAllowed("it is outside of the folders of VIDEOVAULT_MEDIA_ROOTS")
        return read_mark(path)

    async def _compare(self, root: AnyRow, path: bytes) -> tuple[int, int]:
        """How many files and how many scanned videos there are."""
        walking = walk(path, ignored=self._settings.ignored_names)
        last, end = bounds(root.path)
        found = known = 0
        self._hidden = []
        while last < end:
            batch = await asyncio.to_thread(_take, walking)
            batch_files = [each for each in batch if isinstance(each, FoundFile)]
            self._note_troubles(batch)
            upper = _text(batch[-1]) if len(batch) == BATCH else end
            known += await self._compare_range(root, batch_files, last=last, upper=upper, end=end)
            found += len(batch_files)
            last = upper
        return found, known

    def _note_troubles(self, batch: Sequence[FoundFile | Trouble]) -> None:
        for each in batch:
            if isinstance(each, Trouble):
                self.tally.note(each)
                self._hidden += [each.text] if each.is_hiding else []
            elif each.facts.size == 0:
                self.tally.note(Trouble(each.text, "empty", "it has no bytes"))

    async def _compare_range(
        self, root: AnyRow, batch: Sequence[FoundFile], *, last: str, upper: str, end: str
    ) -> int:
        known = 0
        while last < upper:
            videos = await files.list_known(self._database, last=last, upper=upper, end=end, most=2 * BATCH)
            bound = videos[-1].path if len(videos) == 2 * BATCH else upper
            compared = compare(
                [file for file in batch if last < file.text <= bound],
                videos,
                hidden=self._hidden,
                is_full=self._scan.full,
                now=time.time_ns(),
            )
            await self._take_in(root, compared)
            known += sum(video.identity is not None for video in videos)
            last = bound
        return known

    async def _take_in(self, root: AnyRow, compared: Comparison) -> None:
        if self._is_lost:
            raise ScanLost
        relocated = [seen for seen in compared.unchanged if seen.video.inode is None]
        self._gone.update(video.id for video in compared.missing if not video.is_missing)
        if compared.returned or relocated:
            async with self._writing() as db:
                await files.refresh(db, [*compared.returned, *relocated])
                self.tally.count(returned=len(compared.returned))
        self.tally.count(unchanged=len(compared.unchanged))
        for start in range(0, len(compared.unread), READ_AT_ONCE):
            await self._read(root.id, compared.unread[start : start + READ_AT_ONCE])

    async def _read(self, root_id: UUID, unread: Sequence[tuple[FoundFile, KnownFile | None]]) -> None:
        videos = {file.text: video for file, video in unread}
        staged = {} if self._scan.full else await files.list_staged(self._database, root_id, list(videos))
        kept = [
            (file, staged[file.text][1])
            for file, _ in unread
            if file.text in staged and staged[file.text][0] == file.facts
        ]
        reused = {file.text for file, _ in kept}
        reading = await read_files([file for file, _ in unread if file.text not in reused])
        self.tally.count(opened=reading.opened, hashed=sum(file.facts.size > 0 for file, _ in reading.files))
        for trouble in reading.troubles:
            self.tally.note(trouble)
        same, others = _part([*kept, *reading.files], videos)
        async with self._writing() as db:
            await files.refresh(db, same)
            if others:
                await files.stage(db, self._runner, root_id, others)
            returned = sum(seen.video.is_missing for seen in same)
            self.tally.count(returned=returned, unchanged=len(same) - returned)

    async def _pair(self, run: files.Run) -> None:
        after = b""
        while shared := await files.list_shared(self._database, run, after=after, most=BATCH):
            await self._pair_some(run, shared)
            after = shared[-1]

    async def _pair_some(self, run: files.Run, identities: Sequence[bytes]) -> None:
        lost = await self._find_lost(run, identities)
        unplaced: dict[bytes, list[str]] = {}
        for identity, path in await files.list_unplaced(self._database, run, identities):
            unplaced.setdefault(identity, []).append(path)
        pairings = [
            pair(videos, unplaced[identity]) for identity, videos in lost.items() if identity in unplaced
        ]
        paths = {video_id: path for pairing in pairings for video_id, path in pairing.paths.items()}
        for pairing in pairings:
            if pairing.is_ambiguous:
                self.tally.note_ambiguity(pairing)
        if paths:
            async with self._writing() as db:
                await files.move(db, run, paths)
                self.tally.count(moved=len(paths))
            self._gone -= paths.keys()

    async def _find_lost(self, run: files.Run, identities: Sequence[bytes]) -> dict[bytes, list[LostVideo]]:
        """Videos with these identities whose file is not at its path, also where no scan has noticed it yet."""
        candidates = await files.list_candidates(self._database, run, identities)
        lost: dict[bytes, list[LostVideo]] = {}
        for candidate, is_gone in zip(
            candidates, await asyncio.to_thread(_are_gone, candidates), strict=True
        ):
            if candidate.is_lost or is_gone or candidate.video.id in self._gone:
                lost.setdefault(candidate.identity, []).append(candidate.video)
        return lost

    async def _place_rest(self, run: files.Run) -> None:
        placed: tuple[int, int] | None = (0, 0)
        while placed is not None:
            async with self._writing() as db:
                placed = await files.place_rest(db, run, most=BATCH)
                changed, added = placed or (0, 0)
                self.tally.count(changed=changed, added=added)

    async def _mark_missing(self) -> None:
        gone = sorted(self._gone)
        for start in range(0, len(gone), BATCH):
            async with self._writing() as db:
                await files.mark_missing(db, gone[start : start + BATCH])

    async def _probe(self, root: AnyRow) -> None:
        last, end = bounds(root.path)
        if self._scan.full and self._media_workers is not None:
            async with self._writing() as db:
                await media.forget_failures(db, last, end)
        failures, count = await media.list_failures(self._database, last, end, most=MOST_ERRORS)
        for path, error in failures:
            self.tally.note(tell_failure(path, error))
        self.tally.result.error_count += count - len(failures)
        if self._media_workers is None:
            return
        path = root.path_bytes or root.path.encode()
        allowed = self._settings.media_folders
        while films := await media.list_not_probed(self._database, last=last, end=end, most=PROBE_AT_ONCE):
            probed, troubles = await probe_films(
                self._media_workers, films, root=path, allowed=allowed, is_over=lambda: self._is_lost
            )
            async with self._writing() as db:
                await media.note_probed(db, probed)
                self.tally.count(probed=len(probed))
            for trouble in troubles:
                self.tally.note(trouble)
            last = films[-1].file.path


def _take(walking: Iterator[FoundFile | Trouble]) -> list[FoundFile | Trouble]:
    return list(itertools.islice(walking, BATCH))


def _text(each: FoundFile | Trouble) -> str:
    return each.text


def _part(
    read: Sequence[tuple[FoundFile, bytes]], videos: dict[str, KnownFile | None]
) -> tuple[list[Seen], list[tuple[FoundFile, bytes]]]:
    """Files with the content that the video at their path had; and others."""
    same: list[Seen] = []
    others: list[tuple[FoundFile, bytes]] = []
    for file, identity in read:
        video = videos[file.text]
        if video is not None and video.identity == identity:
            same.append(Seen(file, video))
        else:
            others.append((file, identity))
    return same, others


def _are_gone(candidates: Sequence[files.Candidate]) -> list[bool]:
    return [
        not candidate.is_lost and not os.path.lexists(candidate.true_path or to_bytes(candidate.video.path))
        for candidate in candidates
    ]
