"""The tables of `videovault_db`, a file for each aggregate."""

from videovault.models.base import Model
from videovault.models.changes import (
    Change,
    ChangeStatus,
    Entity,
    Library,
    Operation,
    RemovedTag,
    Tombstone,
)
from videovault.models.scans import Root, Scan, ScanStatus, StagedFile
from videovault.models.sync import OperationStatus, SyncOperation
from videovault.models.videos import UNKNOWN_DURATION, Tag, Video, VocabularyWord, folded, true_path
from videovault.models.watch_history import WatchHistory

__all__ = [
    "UNKNOWN_DURATION",
    "Change",
    "ChangeStatus",
    "Entity",
    "Library",
    "Model",
    "Operation",
    "OperationStatus",
    "RemovedTag",
    "Root",
    "Scan",
    "ScanStatus",
    "StagedFile",
    "SyncOperation",
    "Tag",
    "Tombstone",
    "Video",
    "VocabularyWord",
    "WatchHistory",
    "folded",
    "true_path",
]
