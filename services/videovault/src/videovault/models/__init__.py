"""The tables of `videovault_db`, a file for each aggregate."""

from videovault.models.base import Model, RowColumns, own_id
from videovault.models.changes import (
    Change,
    ChangeStatus,
    DeletedRow,
    Entity,
    Library,
    Operation,
    Owner,
    RemovedTag,
    Tombstone,
)
from videovault.models.duplicates import Proof
from videovault.models.exchange import StagedRow
from videovault.models.mine import Mine, mine_id
from videovault.models.playback import PlaybackSession
from videovault.models.playlists import Playlist, PlaylistItem, SavedFilter, item_id, watch_later_id
from videovault.models.recording import StagedVideo
from videovault.models.scans import Root, Scan, ScanStatus, StagedFile
from videovault.models.sync import OperationStatus, SyncOperation
from videovault.models.tag_names import TagAlias, TagParent
from videovault.models.videos import UNKNOWN_DURATION, Tag, Video, VocabularyWord, folded, true_path
from videovault.models.watch_history import WatchHistory, viewing_id

__all__ = [
    "UNKNOWN_DURATION",
    "Change",
    "ChangeStatus",
    "DeletedRow",
    "Entity",
    "Library",
    "Mine",
    "Model",
    "Operation",
    "OperationStatus",
    "Owner",
    "PlaybackSession",
    "Playlist",
    "PlaylistItem",
    "Proof",
    "RemovedTag",
    "Root",
    "RowColumns",
    "SavedFilter",
    "Scan",
    "ScanStatus",
    "StagedFile",
    "StagedRow",
    "StagedVideo",
    "SyncOperation",
    "Tag",
    "TagAlias",
    "TagParent",
    "Tombstone",
    "Video",
    "VocabularyWord",
    "WatchHistory",
    "folded",
    "item_id",
    "mine_id",
    "own_id",
    "true_path",
    "viewing_id",
    "watch_later_id",
]
