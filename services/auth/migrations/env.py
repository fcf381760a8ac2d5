"""Run by alembic for every command on Auth's migrations."""

from auth.models import Model
from dbcommon.migrations import run_migrations

run_migrations(Model.metadata)
