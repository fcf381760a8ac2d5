"""Runs VideoVault's migrations."""

from dbcommon.migrations import run_migrations
from videovault.models import Model

run_migrations(Model.metadata)
