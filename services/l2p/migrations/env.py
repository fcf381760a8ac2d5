"""Migrations of Learn2Play."""

from dbcommon.migrations import run_migrations
from l2p.models import Model

run_migrations(Model.metadata)
