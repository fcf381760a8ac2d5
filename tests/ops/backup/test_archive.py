"""Which base and which segments lead to a time, as pure functions; the times that `--at` takes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from obstore.store import LocalStore

from quartet.backup.archive import (
    PARTIAL,
    ArchiveState,
    Period,
    describe_windows,
    end_of_records,
    file_name,
    find_route,
    lsn_number,
    object_path,
    read_state,
    require_server,
    segment_names,
    segment_of,
    spell_lsn,
    windows,
    write_state,
)
from quartet.backup.destination import Destination
from quartet.backup.manifest import Manifest, Part
from quartet.backup.point_in_time import parse_time
from quartet.errors import BackupFailed, DamagedBackup, TimeNotReachable, WrongSettings

MB = 1024 * 1024
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
OURS = "7000000000000000001"


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def made_backup(
    *, began: float, ended: float, end_lsn: str, server: str = OURS, timeline: int = 1
) -> Manifest:
    """A backup whose base was copied between two minutes; half a minute later the whole was there."""
    identity = at(began).strftime("%Y%m%dT%H%M%SZ")
    base = Part(
        kind="base",
        path=f"full/{identity}/base.tar",
        bytes=1,
        stored_bytes=1,
        sha256="",
        timeline=timeline,
        end_lsn=end_lsn,
        ended_at=at(ended),
    )
    return Manifest(
        id=identity,
        began_at=at(began),
        ended_at=at(ended + 0.5),
        server_version="18.1",
        server_major=18,
        system_identifier=server,
        parts=(base,),
    )


def made_state(*periods: tuple[float, str, float, str], timelines: tuple[int, ...] = (1, 1)) -> ArchiveState:
    """An archive of these periods: began at minute, position, covered until minute, position."""
    return ArchiveState(
        system_identifier=OURS,
        server_major=18,
        segment_bytes=16 * MB,
        periods=[
            Period(
                timeline=timeline,
                began_at=at(began),
                began_lsn=begin,
                covered_until=at(until),
                covered_lsn=end,
            )
            for timeline, (began, begin, until, end) in zip(timelines, periods, strict=False)
        ],
    )


def stored(first: int, last: int, *, unfinished: bool = True) -> dict[str, int]:
    """The objects of the segments 0/first000000 to 0/last000000, of which the last is unfinished; 100 bytes each."""
    names = segment_names(f"{1:08X}{0:08X}{first:08X}", f"{1:08X}{0:08X}{last:08X}", segment_bytes=16 * MB)
    if unfinished:
        names[-1] += PARTIAL
    return {object_path(name): 100 for name in names}


TWO_BASES = [
    made_backup(began=5, ended=10, end_lsn="0/3000100"),
    made_backup(began=30, ended=40, end_lsn="0/7000100"),
]
ONE_PERIOD = made_state((0, "0/1500000", 60, "0/9000500"))
ITS_OBJECTS = stored(1, 9)


@pytest.mark.parametrize(
    ("lsn", "number"),
    [("0/3000028", 0x3000028), ("0/FFFFFFFF", 0xFFFFFFFF), ("1/0", 0x1_0000_0000), ("A/2", 0xA_0000_0002)],
)
def test_a_position_is_a_number_of_bytes(lsn: str, number: int) -> None:
    assert (lsn_number(lsn), spell_lsn(number)) == (number, lsn)


def test_positions_with_leading_zeros_are_read_too() -> None:
    assert lsn_number("0/0000000000") == lsn_number("0/0")
    assert lsn_number("1/0300") == 0x1_0000_0300


@pytest.mark.parametrize(
    ("lsn", "megabytes", "name"),
    [
        ("0/0", 16, "000000010000000000000000"),
        ("0/FFFFFF", 16, "000000010000000000000000"),
        ("0/1000000", 16, "000000010000000000000001"),
        ("0/FFFFFFFF", 16, "0000000100000000000000FF"),
        ("1/0", 16, "000000010000000100000000"),
        ("2/FE000028", 16, "0000000100000002000000FE"),
        ("0/3FFFFFF", 64, "000000010000000000000000"),
        ("0/4000000", 64, "000000010000000000000001"),
        ("0/FFFFFFFF", 64, "00000001000000000000003F"),
        ("1/0", 64, "000000010000000100000000"),
    ],
)
def test_a_position_lies_in_a_segment(lsn: str, megabytes: int, name: str) -> None:
    assert segment_of(lsn, timeline=1, segment_bytes=megabytes * MB) == name
    assert segment_of(lsn, timeline=0x1F, segment_bytes=megabytes * MB) == f"0000001F{name[8:]}"


@pytest.mark.parametrize(
    ("megabytes", "names"),
    [
        (16, ["0000000000000FE", "0000000000000FF", "000000100000000", "000000100000001"]),
        (64, ["00000000000003E", "00000000000003F", "000000100000000", "000000100000001"]),
    ],
)
def test_segments_follow_one_another_over_the_end_of_a_log(megabytes: int, names: list[str]) -> None:
    expected = [f"000000020{name}" for name in names]
    assert segment_names(expected[0], expected[-1], segment_bytes=megabytes * MB) == expected
    assert segment_names(expected[1], expected[1], segment_bytes=megabytes * MB) == expected[1:2]
    assert segment_names(expected[1], expected[0], segment_bytes=megabytes * MB) == []


@pytest.mark.parametrize(
    ("insert", "end"),
    [
        ("0/3000100", "0/3000100"),
        ("0/3002018", "0/3002000"),  # after the header of a page
        ("0/3002028", "0/3002028"),  # within a page, as far as a segment's first header would reach
        ("0/3000028", "0/3000000"),  # after the header of a segment
        ("0/3000018", "0/3000018"),
        ("1/28", "1/0"),
    ],
)
def test_the_last_record_ends_before_a_header(insert: str, end: str) -> None:
    assert end_of_records(insert, block_bytes=8192, segment_bytes=16 * MB) == end


def test_an_object_is_named_after_its_file() -> None:
    for name in ("000000010000000000000001", "000000010000000000000001.partial", "00000002.history"):
        assert file_name(object_path(name)) == name


@pytest.mark.parametrize(
    ("minute", "base"),
    [
        (10, 0),  # the moment at which it ended
        (25, 0),
        (35, 0),  # while the second one was being made
        (39.99, 0),
        (40, 1),
        (55, 1),
        (60, 1),  # the last moment that is covered
    ],
)
def test_the_newest_base_that_ended_before_the_time_is_taken(minute: float, base: int) -> None:
    route = find_route(reversed(TWO_BASES), ONE_PERIOD, ITS_OBJECTS, at=at(minute))
    assert route.manifest == TWO_BASES[base]
    first = (3, 7)[base]
    assert route.segments == tuple(stored(first, 9))
    assert (route.missing, route.stored_bytes) == (None, 100 * len(route.segments))


@pytest.mark.parametrize("minute", [-5, 0, 9.99, 60.01, 600])
def test_a_time_outside_of_the_window_is_refused_with_the_window(minute: float) -> None:
    with pytest.raises(TimeNotReachable) as caught:
        find_route(TWO_BASES, ONE_PERIOD, ITS_OBJECTS, at=at(minute))
    assert caught.value.exit_code == 16
    assert str(caught.value).endswith("choose a time from 2026-11-30T12:10:00Z to 2026-11-30T13:00:00Z")


GAP = made_state((0, "0/1500000", 20, "0/5000100"), (30, "0/8000000", 60, "0/B000500"))
AROUND_THE_GAP = [TWO_BASES[0], made_backup(began=31, ended=40, end_lsn="0/9000100")]


@pytest.mark.parametrize("minute", [20.01, 25, 35, 39.99])
def test_a_time_in_a_gap_is_refused_with_both_windows(minute: float) -> None:
    with pytest.raises(TimeNotReachable) as caught:
        find_route(AROUND_THE_GAP, GAP, stored(1, 11), at=at(minute))
    assert str(caught.value).endswith(
        "choose a time from 2026-11-30T12:10:00Z to 2026-11-30T12:20:00Z or from 2026-11-30T12:40:00Z to"
        " 2026-11-30T13:00:00Z"
    )


def test_times_before_and_after_a_gap_are_reached() -> None:
    objects = {**stored(1, 5), **stored(8, 11)}
    before = find_route(AROUND_THE_GAP, GAP, objects, at=at(20))
    assert (before.manifest, before.segments) == (AROUND_THE_GAP[0], tuple(stored(3, 5)))
    after = find_route(AROUND_THE_GAP, GAP, objects, at=at(50))
    assert (after.manifest, after.segments) == (AROUND_THE_GAP[1], tuple(stored(9, 11)))


def test_a_base_that_ends_in_a_gap_leads_nowhere() -> None:
    lost = made_backup(began=21, ended=25, end_lsn="0/6000000")
    assert windows([lost], GAP) == []
    with pytest.raises(TimeNotReachable, match="a full backup to be made meanwhile"):
        find_route([lost], GAP, stored(1, 11), at=at(35))


def test_without_an_archive_or_a_base_the_way_to_one_is_told() -> None:
    for manifests, state in ((TWO_BASES, None), ([], ONE_PERIOD), (TWO_BASES, made_state())):
        assert "`quartet backup wal` has to run" in describe_windows(manifests, state)
        with pytest.raises(TimeNotReachable, match="`quartet backup wal` has to run"):
            find_route(manifests, state, ITS_OBJECTS, at=at(50))


def test_a_finished_segment_is_taken_rather_than_what_was_shipped_of_it_before() -> None:
    objects = ITS_OBJECTS | {object_path(f"{1:08X}{0:08X}{8:08X}{PARTIAL}"): 100}
    assert find_route(TWO_BASES, ONE_PERIOD, objects, at=at(50)).segments == tuple(stored(7, 9))


def test_of_a_segment_that_has_just_begun_nothing_is_needed() -> None:
    state = made_state((0, "0/1500000", 60, "0/A000000"))
    route = find_route(TWO_BASES, state, stored(1, 9, unfinished=False), at=at(60))
    assert (route.segments, route.missing) == (tuple(stored(7, 9, unfinished=False)), None)


@pytest.mark.parametrize("gone", [7, 8])
def test_the_route_ends_before_a_missing_segment(gone: int) -> None:
    name = f"{1:08X}{0:08X}{gone:08X}"
    objects = {path: size for path, size in ITS_OBJECTS.items() if path != object_path(name)}
    route = find_route(TWO_BASES, ONE_PERIOD, objects, at=at(50))
    assert (route.missing, len(route.segments)) == (name, gone - 7)
    # The older base does not need it to be whole, but its way leads there too.
    assert find_route(TWO_BASES, ONE_PERIOD, objects, at=at(20)).missing == name


def test_segments_are_those_of_the_bases_timeline() -> None:
    base = made_backup(began=5, ended=10, end_lsn="0/9000100", timeline=2)
    objects = {object_path(f"{2:08X}{0:08X}{9:08X}"): 7, **ITS_OBJECTS}
    state = made_state((0, "0/1500000", 60, "0/9000500"), timelines=(2,))
    assert find_route([base], state, objects, at=at(20)).stored_bytes == 7


def test_a_base_of_a_timeline_that_was_left_does_not_lead_to_times_of_the_new_one() -> None:
    # The server went back to 0/5000000, and its new WAL passed the position of the second base.
    state = made_state(
        (0, "0/1500000", 50, "0/8000100"), (52, "0/5000000", 60, "0/9000500"), timelines=(1, 2)
    )
    assert find_route(TWO_BASES, state, stored(1, 9), at=at(50)).manifest == TWO_BASES[1]
    with pytest.raises(TimeNotReachable, match=r"from 2026-11-30T12:10:00Z to 2026-11-30T12:50:00Z$"):
        find_route(TWO_BASES, state, stored(1, 9), at=at(55))
    since = made_backup(began=53, ended=54, end_lsn="0/6000100", timeline=2)
    assert find_route([*TWO_BASES, since], state, stored(1, 9), at=at(55)).manifest == since


def test_a_base_of_another_server_is_not_taken() -> None:
    other = made_backup(began=41, ended=45, end_lsn="0/8000000", server="7000000000000000002")
    assert find_route([*TWO_BASES, other], ONE_PERIOD, ITS_OBJECTS, at=at(50)).manifest == TWO_BASES[1]
    assert windows([other], ONE_PERIOD) == []


@pytest.mark.parametrize(
    ("identifier", "major"), [("7000000000000000002", 18), (OURS, 17), ("7000000000000000002", 15)]
)
def test_another_servers_archive_is_refused_with_both_names(identifier: str, major: int) -> None:
    require_server(None, address="here", identifier=identifier, major=major)
    require_server(ONE_PERIOD, address="here", identifier=OURS, major=18)
    with pytest.raises(BackupFailed) as caught:
        require_server(ONE_PERIOD, address="here", identifier=identifier, major=major)
    told = str(caught.value)
    assert caught.value.exit_code == 14
    for part in (OURS, identifier, "PostgreSQL 18", f"PostgreSQL {major}", "BACKUP_DESTINATION"):
        assert part in told


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    destination = Destination("here", LocalStore(tmp_path))
    assert read_state(destination) is None
    write_state(destination, GAP)
    assert read_state(destination) == GAP


def test_a_changed_byte_of_the_state_is_told(tmp_path: Path) -> None:
    destination = Destination("here", LocalStore(tmp_path))
    write_state(destination, GAP)
    path = tmp_path / "wal/state.json"
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(DamagedBackup, match=r"state\.json is damaged"):
            read_state(destination)


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b'{"periods": 1}', b"\xff", b"[" * 100_000])
def test_what_is_no_state_is_told(tmp_path: Path, content: bytes) -> None:
    destination = Destination("here", LocalStore(tmp_path))
    destination.put("wal/state.json", [content])
    with pytest.raises(DamagedBackup, match=r"state\.json is damaged"):
        read_state(destination)


INSTANT = datetime(2026, 11, 30, 2, 21, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-30T02:21:18Z",
        "2026-11-30T02:21:18+00:00",
        "2026-11-30T03:21:18+01:00",
        "2026-11-29T21:51:18-04:30",
        "2026-11-30t02:21:18z",
        "2026-11-30 02:21:18Z",
        "2026-11-30T02:21:18.000Z",
        "2026-11-30T02:21:18-00:00",
    ],
)
def test_one_instant_may_be_spelt_in_many_ways(text: str) -> None:
    assert parse_time(text) == INSTANT
    assert parse_time(text).utcoffset() == timedelta(0)


def test_fractions_of_a_second_count() -> None:
    assert parse_time("2026-11-30T02:21:18.25Z") == INSTANT + timedelta(milliseconds=250)
    assert parse_time("2026-11-30T02:21:18.000001Z") == INSTANT + timedelta(microseconds=1)


@pytest.mark.parametrize("text", ["2026-11-30T02:21:18", "2026-11-30 02:21:18", "2026-11-30T02:21:18.5"])
def test_a_time_without_an_offset_is_refused(text: str) -> None:
    with pytest.raises(WrongSettings, match=r"the offset from UTC is missing: add Z") as caught:
        parse_time(text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "",
        "now",
        "2026-11-30",
        "1796005278",
        "2026-02-31T02:21:18Z",
        "2026-13-01T02:21:18Z",
        "2026-11-30T24:21:18Z",
        "2026-11-30T02:60:18Z",
        "2026-11-30T02:21:61Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2026-11-30T02:21:18+25:00",
        "2026-11-30T02:21:18 UTC",
        "2026-11-30T02:21:18Z ",
        "2026-11-30T02:21:18Z\n",
        "٢٠٢٦-11-30T02:21:18Z",
        "2026-11-30T02:21:18.1234567Z",
    ],
)
def test_what_is_no_time_of_rfc_3339_is_refused(text: str) -> None:
    with pytest.raises(WrongSettings, match=r"a time such as 2026-11-30T02:21:18Z is needed"):
        parse_time(text)
