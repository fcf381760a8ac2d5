"""The tables of docs/videovault.md are those of the code."""

from tests.service_pages import read_routes, read_settings, read_table
from videovault.duplicates.schemas import MOST_PROVED, MOST_SHOWN
from videovault.duplicates.worker import LONGEST_SECONDS
from videovault.entities.registry import MOST_ITEMS, MOST_PLAYLISTS, MOST_SAVED_FILTERS
from videovault.exchange.routes import LONGEST_LINE as LONGEST_IMPORTED
from videovault.files.paths import LONGEST_PATH
from videovault.history.schemas import LONGEST_SESSION
from videovault.listing.schemas import COUNTED, VideoQuery
from videovault.media.drawing import MOST_TILES, THUMBNAIL_SIZE, TILE_SIZE
from videovault.media.probing import MOST_CHAPTERS, MOST_PIXELS, MOST_STREAMS
from videovault.media.subtitles import MOST_BYTES
from videovault.playback_urls.signing import LIFETIME_SECONDS
from videovault.query.grammar import LONGEST_QUERY, MOST_TERMS
from videovault.recording.routes import LONGEST_LINE, SILENT_SECONDS
from videovault.recording.schemas import MOST_ERRORS as MOST_STREAM_ERRORS
from videovault.roots.service import LOOKED_FOR
from videovault.scans.reading import THREADS
from videovault.scans.repository import KEPT
from videovault.scans.run import LEASE
from videovault.scans.schemas import MOST_ERRORS
from videovault.scans.worker import AT_ONCE
from videovault.settings import Settings
from videovault.streams.body import CHUNK, STOPPING_SECONDS
from videovault.streams.ranges import MOST_RANGES
from videovault.streams.readers import THREADS as STREAM_THREADS
from videovault.sync.operations import AHEAD_MS
from videovault.sync.schemas import MOST_CHANGES, MOST_OPERATIONS
from videovault.tags.schemas import MOST_TAGS
from videovault.undo.service import KEEPS
from videovault.videos.schemas import LONGEST_TAG, MOST_VIDEOS, NewVideo
from webcommon.api.paging import DEFAULT_LIMIT, MAXIMUM_LIMIT
from webcommon.api.schemas import DEEPEST_JSON

VIDEO = NewVideo.model_json_schema()["properties"]
QUERY = VideoQuery.model_json_schema()["properties"]

LIMITS = {
    "characters of a path, at most": VIDEO["file_path"]["maxLength"],
    "characters of a file's name, at most": VIDEO["file_name"]["maxLength"],
    "characters of a title, at most": VIDEO["title"]["anyOf"][0]["maxLength"],
    "characters of a description, at most": VIDEO["description"]["anyOf"][0]["maxLength"],
    "characters of a hash, at most": VIDEO["hash"]["anyOf"][0]["maxLength"],
    "characters of a media type, at most": VIDEO["mime_type"]["maxLength"],
    "characters of a tag's name or category, at most": LONGEST_TAG,
    "tags of a video, at most": VIDEO["tags"]["maxItems"],
    "tags that an act on many videos adds, or removes, at most": MOST_TAGS,
    "tags of a filter, at most": QUERY["tag"]["maxItems"],
    "characters of a query, at most": LONGEST_QUERY,
    "terms of a query, at most": MOST_TERMS,
    "videos that are counted, at most": COUNTED,
    "levels of the metadata, at most": DEEPEST_JSON,
    "videos on a page, by default": DEFAULT_LIMIT,
    "videos on a page, at most": MAXIMUM_LIMIT,
    "videos of a batch or an act, at most": MOST_VIDEOS,
    "bytes of a line of a stream, at most": LONGEST_LINE,
    "bytes of a line of an import, at most": LONGEST_IMPORTED,
    "seconds that a stream may be silent": SILENT_SECONDS,
    "errors that the answer to a stream lists, at most": MOST_STREAM_ERRORS,
    "copies of a group that are shown, and videos of a merge, at most": MOST_SHOWN,
    "files of a request to prove, at most": MOST_PROVED,
    "seconds that a whole file may take to be read": LONGEST_SECONDS,
    "days that an operation can be undone": KEEPS.days,
    "saved filters of a user, at most": MOST_SAVED_FILTERS,
    "playlists of a user, at most": MOST_PLAYLISTS,
    "items of a playlist, at most": MOST_ITEMS,
    "characters of a session of a player, at most": LONGEST_SESSION,
    "operations of a call of sync, at most": MOST_OPERATIONS,
    "changes of a call of sync, at most": MOST_CHANGES,
    "hours that the clock of a device may be ahead": AHEAD_MS // 3_600_000,
    "bytes of the path of a file that is scanned, at most": LONGEST_PATH,
    "errors that a scan lists, at most": MOST_ERRORS,
    "days that the result of a scan is kept": KEPT.days,
    "streams of a film that are kept, at most": MOST_STREAMS,
    "chapters of a film that are kept, at most": MOST_CHAPTERS,
    "pixels of a film's picture, at most": MOST_PIXELS,
    "pixels of the longer side of a thumbnail, at most": THUMBNAIL_SIZE,
    "pixels of the longer side of a picture of a sprite, at most": TILE_SIZE,
    "pictures of a sprite, at most": MOST_TILES,
    "scans of a process at the same time": AT_ONCE,
    "files that a scan reads at the same time": THREADS,
    "seconds without a sign after which another process takes a scan": int(LEASE.total_seconds()),
    "known files that are looked for when a root moves": LOOKED_FOR,
    "MiB of a file with subtitles, or of the text of embedded ones, at most": MOST_BYTES // 2**20,
    "hours that a playback URL is good": LIFETIME_SECONDS // 3600,
    "ranges of a file in one response, at most": MOST_RANGES,
    "KiB of a file that are read at once": CHUNK // 1024,
    "reads of files for streams at the same time": STREAM_THREADS,
    "seconds that a stream goes on when the service stops, at most": STOPPING_SECONDS,
}


def test_the_page_lists_every_route() -> None:
    assert set(read_table("videovault", "route")) == read_routes("videovault")


def test_the_page_has_the_settings_with_their_defaults() -> None:
    found = {name: default or "none" for name, default in read_settings(Settings).items()}
    assert read_table("videovault", "setting") == found


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    assert read_table("videovault", "limit") == {name: str(value) for name, value in LIMITS.items()}
