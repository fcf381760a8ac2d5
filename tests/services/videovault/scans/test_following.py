"""Videos follow their files."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from tests.services.videovault.files.test_identity import VECTORS, content
from tests.services.videovault.library import a_video, tag
from tests.services.videovault.scans.folders import Films, counts, make_root


async def test_files_become_videos_with_what_they_are(films: Films) -> None:
    films.write("a/Ä film.MKV", b"content")
    for size in VECTORS:
        films.write(f"{size}.mp4", content(size))

    result = await films.scan()

    videos = await films.videos()
    assert counts(result) == {"added": 6, "hashed": 5, "opened": 5}
    film = videos.pop("a/Ä film.MKV")
    assert (film["file_name"], film["mime_type"]) == ("Ä film.MKV", "video/x-matroska")
    assert (film["file_size"], film["duration_seconds"], film["missing_since"]) == (7, None, None)
    assert {video["file_size"]: video["hash"] for video in videos.values()} == VECTORS
    assert [(error["path"], error["code"]) for error in result["errors"]] == [
        (f"{films.folder}/0.mp4", "empty")
    ]


async def test_a_second_scan_opens_nothing_whatever_the_times_say(films: Films) -> None:
    for name in ("a.mp4", "b.mp4", "c/d.mp4"):
        films.write(name)
    await films.scan()
    ahead = time.time() + 365 * 86_400
    os.utime(films.folder / "a.mp4", (ahead, ahead))

    assert counts(await films.scan()) == {"unchanged": 3}

    os.utime(films.folder / "b.mp4", (0, 0))
    assert counts(await films.scan()) == {"unchanged": 3, "hashed": 1, "opened": 1}
    assert counts(await films.scan()) == {"unchanged": 3}
    assert counts(await films.scan(full=True)) == {"unchanged": 3, "hashed": 3, "opened": 3}


MOVES = {
    "renamed": [("a", "z")],
    "moved": [("a", "deep/down/a")],
    "re-cased": [("a", "A")],
    "two change places": [("a", "b"), ("b", "a")],
    "three change places": [("a", "b"), ("b", "c"), ("c", "a")],
    "one follows another": [("a", "b"), ("b", "z")],
    "all into one folder": [("a", "new/a"), ("b", "new/b"), ("c", "new/c")],
}


@pytest.mark.parametrize("pairs", MOVES.values(), ids=MOVES)
async def test_moved_files_keep_their_videos(films: Films, pairs: list[tuple[str, str]]) -> None:
    for name in "abc":
        films.write(f"{name}.mp4", name)
    await films.scan()
    before = await films.ids()
    await films.library.execute(
        "INSERT INTO tags (video_id, tag_category, tag_name) SELECT id, 'place', file_name FROM videos"
    )
    renamed = {f"{old}.mp4": f"{new}.mp4" for old, new in pairs}

    films.rename(*renamed.items())
    result = await films.scan()

    assert counts(result) == {
        "moved": len(pairs),
        "hashed": len(pairs),
        "opened": len(pairs),
        **({"unchanged": 3 - len(pairs)} if len(pairs) < 3 else {}),
    }
    videos = await films.videos()
    assert {path: video["id"] for path, video in videos.items()} == {
        renamed.get(path, path): video_id for path, video_id in before.items()
    }
    for path, video in videos.items():
        assert video["file_name"] == path.rpartition("/")[2]
        assert video["tags"] == [tag("place", next(old for old, key in before.items() if key == video["id"]))]
    assert counts(await films.scan()) == {"unchanged": 3}


async def test_files_of_equal_size_and_time_that_change_places_are_told_apart(films: Films) -> None:
    for name in "ab":
        films.write(f"{name}.mp4", name)
        os.utime(films.folder / f"{name}.mp4", (1, 1))
    await films.scan()
    before = await films.ids()

    films.rename(("a.mp4", "b.mp4"), ("b.mp4", "a.mp4"))

    assert (await films.scan())["moved"] == 2
    assert await films.ids() == {"a.mp4": before["b.mp4"], "b.mp4": before["a.mp4"]}


async def test_the_log_of_a_move_names_the_scan_and_the_true_paths(films: Films) -> None:
    films.write("a.mp4", "a")
    films.write("b.mp4", "b")
    await films.scan()
    films.rename(("a.mp4", "b.mp4"), ("b.mp4", "a.mp4"))
    scan = await films.scan_to_end()

    logged = await films.library.value(
        "SELECT json_agg(json_build_array(actor, field, old, new) ORDER BY field, old) FROM changes WHERE field <> '*'"
    )

    actor, a, b = f"scan:{scan['id']}", f"{films.folder}/a.mp4", f"{films.folder}/b.mp4"
    assert [change for change in logged if change[0] == actor] == [
        [actor, "file_name", "a.mp4", "b.mp4"],
        [actor, "file_name", "b.mp4", "a.mp4"],
        [actor, "file_path", a, b],
        [actor, "file_path", b, a],
    ]


async def test_a_move_is_logged_as_a_move_and_nothing_else(films: Films) -> None:
    films.write("a.mp4")
    await films.scan()
    films.rename(("a.mp4", "b/a.mp4"))
    scan = await films.scan_to_end()

    logged = await films.library.value(
        f"SELECT json_agg(field) FROM changes WHERE actor = 'scan:{scan['id']}'"  # noqa: S608
    )
    assert logged == ["file_path"]


async def test_a_new_content_under_a_path_is_the_same_video(films: Films) -> None:
    films.write("a.mp4", "first")
    await films.scan()
    (video,) = (await films.videos()).values()
    await films.library.execute(
        "UPDATE videos SET duration_seconds = 60, title = 'Mine', metadata = '{\"width\": 640, \"mine\": 1}'"
    )
    await films.library.execute(
        "INSERT INTO watch_history (video_id, user_id, position_seconds, completed) SELECT id, id, 30, true FROM videos"
    )

    films.write("a.mp4", "other")
    result = await films.scan()

    assert counts(result) == {"changed": 1, "hashed": 1, "opened": 1}
    (changed,) = (await films.videos()).values()
    assert changed["id"] == video["id"]
    assert changed["hash"] != video["hash"]
    assert (changed["duration_seconds"], changed["title"], changed["metadata"]) == (None, "Mine", {"mine": 1})
    watched = await films.library.value("SELECT (position_seconds, completed)::text FROM watch_history")
    assert watched == "(0,t)"


async def test_a_copy_is_a_new_video_with_the_same_hash(films: Films) -> None:
    films.write("a.mp4", "same")
    await films.scan()
    before = await films.ids()
    films.write("copy.mp4", "same")
    films.write("b.mp4", "same")

    assert counts(await films.scan()) == {"added": 2, "unchanged": 1, "hashed": 2, "opened": 2}
    videos = await films.videos()
    assert len({video["id"] for video in videos.values()}) == 3
    assert len({video["hash"] for video in videos.values()}) == 1
    assert videos["a.mp4"]["id"] == before["a.mp4"]


async def test_a_film_that_took_anothers_place_is_there_and_the_other_is_missing(films: Films) -> None:
    films.write("a.mp4", "a")
    films.write("b.mp4", "b")
    await films.scan()
    before = await films.ids()

    os.replace(films.folder / "b.mp4", films.folder / "a.mp4")
    result = await films.scan()

    assert counts(result) == {"moved": 1, "missing": 1, "hashed": 1, "opened": 1}
    gone = (await films.library.get(f"/v1/videos/{before['a.mp4']}")).json()
    taken = (await films.library.get(f"/v1/videos/{before['b.mp4']}")).json()
    assert (gone["file_path"], gone["missing_since"] is None) == (f"{films.folder}/a.mp4", False)
    assert (taken["file_path"], taken["missing_since"]) == (f"{films.folder}/a.mp4", None)

    films.write("c.mp4", "a")
    assert counts(await films.scan()) == {"moved": 1, "unchanged": 1, "hashed": 1, "opened": 1}
    assert await films.ids() == {"a.mp4": before["b.mp4"], "c.mp4": before["a.mp4"]}


async def test_files_that_nothing_tells_apart_are_listed(films: Films) -> None:
    films.write("a/1.mp4", "same")
    films.write("a/2.mp4", "same")
    await films.scan()
    before = await films.ids()

    films.rename(("a/1.mp4", "b/3.mp4"), ("a/2.mp4", "c/4.mp4"))
    result = await films.scan()

    assert counts(result) == {"added": 2, "missing": 2, "ambiguous": 1, "hashed": 2, "opened": 2}
    assert result["ambiguities"] == [
        {
            "missing": [f"{films.folder}/a/1.mp4", f"{films.folder}/a/2.mp4"],
            "new": [f"{films.folder}/b/3.mp4", f"{films.folder}/c/4.mp4"],
        }
    ]
    assert await films.missing() == before


async def test_an_empty_file_identifies_nothing(films: Films) -> None:
    films.write("a.mp4", "")
    await films.scan()
    films.rename(("a.mp4", "b.mp4"))

    result = await films.scan()

    assert counts(result) == {"added": 1, "missing": 1}
    assert [error["code"] for error in result["errors"]] == ["empty"]
    films.write("b.mp4", "content at last")
    result = await films.scan()
    assert (counts(result), result["errors"]) == ({"changed": 1, "missing": 1, "hashed": 1, "opened": 1}, [])


async def test_a_film_moves_from_root_to_root_in_whatever_order_these_are_scanned(
    films: Films, folder: Path
) -> None:
    other = await make_root(films.library, folder.with_name(f"{folder.name} too"))
    films.write("a.mp4")
    await films.scan()
    (video_id,) = (await films.ids()).values()

    (films.folder / "a.mp4").rename(other.folder / "a.mp4")
    assert counts(await other.scan()) == {"moved": 1, "hashed": 1, "opened": 1}
    assert await other.ids() == {"a.mp4": video_id}

    (other.folder / "a.mp4").rename(films.folder / "b.mp4")
    assert counts(await other.scan()) == {"missing": 1}
    assert counts(await films.scan()) == {"moved": 1, "hashed": 1, "opened": 1}

    (films.folder / "b.mp4").rename(other.folder / "c.mp4")
    assert counts(await films.scan(all_roots=True)) == {"moved": 1, "hashed": 1, "opened": 1}
    assert await other.ids() == {"c.mp4": video_id}


async def test_a_record_by_hand_becomes_its_files_and_keeps_what_it_says(films: Films) -> None:
    video = await films.library.add(
        file_path=f"{films.folder}/a.mp4", hash="mine", duration_seconds=9, file_name="My film"
    )
    absent = await films.library.add(file_path=f"{films.folder}/none.mp4")
    films.write("a.mp4", "content")

    assert counts(await films.scan()) == {"changed": 1, "hashed": 1, "opened": 1}

    found = (await films.library.get(f"/v1/videos/{video['id']}")).json()
    assert {**video, "file_size": 7, "updated_at": found["updated_at"]} == found
    assert (await films.library.get(f"/v1/videos/{absent['id']}")).json() == absent
    films.rename(("a.mp4", "b.mp4"))
    assert counts(await films.scan()) == {"moved": 1, "hashed": 1, "opened": 1}
    moved = (await films.library.get(f"/v1/videos/{video['id']}")).json()
    assert (moved["hash"], moved["file_path"]) == ("mine", f"{films.folder}/b.mp4")


async def test_a_hash_that_a_caller_gave_identifies_nothing(films: Films) -> None:
    films.write("a.mp4", content(7))
    given = await films.library.add(hash=VECTORS[7], **{"file_path": "/elsewhere/a.mp4"})

    assert counts(await films.scan()) == {"added": 1, "hashed": 1, "opened": 1}
    assert (await films.ids())["a.mp4"] != given["id"]


async def test_both_forms_of_a_name_are_two_videos_and_another_form_is_a_new_name(films: Films) -> None:
    decomposed, composed = "Ame\u0301lie.mp4", "Am\u00e9lie.mp4"
    films.write(decomposed, "one")
    await films.scan()
    assert counts(await films.scan()) == {"unchanged": 1}
    before = await films.ids()

    films.rename((decomposed, composed))
    assert (await films.scan())["moved"] == 1
    assert await films.ids() == {composed: before[decomposed]}

    films.write(decomposed, "two")
    await films.scan()
    assert set(await films.ids()) == {decomposed, composed}


ODD_NAMES = ["100% #1, ä&ö?.mp4", "new\nline.mp4", "'q\"uo.mp4", "\u202ertl.mp4", "🎬.mp4", "back\\slash.mp4"]


async def test_a_name_of_any_bytes_is_a_video(films: Films) -> None:
    for name in (*map(os.fsencode, ODD_NAMES), b"bad\xff.mp4", b"bad\\xff.mp4", b"one\x01two.mp4"):
        films.write(name)

    assert (await films.scan())["added"] == 9

    videos = await films.videos()
    assert {*ODD_NAMES, r"bad\xff.mp4", r"bad\x5cxff.mp4", r"one\x01two.mp4"} == set(videos)
    assert videos[r"bad\xff.mp4"]["file_name"] == "bad\ufffd.mp4"
    assert counts(await films.scan()) == {"unchanged": 9}
    true_bytes = await films.library.value(
        "SELECT array_agg(path_bytes ORDER BY file_name) FROM videos WHERE path_bytes IS NOT NULL"
    )
    folder = os.fsencode(films.folder)
    assert set(true_bytes) == {
        folder + name for name in (b"/bad\xff.mp4", b"/bad\\xff.mp4", b"/one\x01two.mp4")
    }
    os.rename(folder + b"/bad\xff.mp4", folder + b"/bad\xfe.mp4")
    assert (await films.scan())["moved"] == 1
    assert r"bad\xfe.mp4" in await films.ids()


async def test_a_sparse_file_of_five_gigabytes_has_its_size(films: Films) -> None:
    with (films.folder / "big.mp4").open("wb") as file:
        file.truncate(5 * 2**30)

    await films.scan()

    (video,) = (await films.videos()).values()
    assert video["file_size"] == 5 * 2**30


async def test_a_record_that_was_moved_by_hand_follows_its_file(films: Films) -> None:
    films.write("a.mp4")
    await films.scan()
    (video_id,) = (await films.ids()).values()
    await films.library.execute("UPDATE videos SET file_path = '/nowhere/a.mp4'")

    assert (await films.scan())["moved"] == 1
    assert await films.ids() == {"a.mp4": video_id}


async def test_what_is_ignored_by_the_setting_is_not_scanned(films: Films) -> None:
    for name in ("a.mp4", "samples/b.mp4", "a-trailer.mp4", ".c.mp4"):
        films.write(name)

    await films.scan()

    assert set(await films.videos()) == {"a.mp4"}


async def test_a_batch_by_hand_at_the_same_time_makes_no_second_video(films: Films) -> None:
    for number in range(60):
        films.write(f"{number}.mp4")
    bodies = [a_video(file_path=f"{films.folder}/{number}.mp4") for number in range(60)]

    begun = await films.begin({"root_id": films.root_id})
    await asyncio.gather(*(films.library.post(body) for body in bodies))

    assert begun.status_code == 202
    assert await films.library.count() == 60
