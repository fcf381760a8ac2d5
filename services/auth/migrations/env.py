"""Run by alembic for every command on Auth's migrations."""

from auth.models import metadata
from dbcommon.migrations import run_migrations

run_migrations(metadata)
