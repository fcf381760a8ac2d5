"""Run by alembic for every command on Payment's migrations."""

from dbcommon.migrations import run_migrations
from payment.models import Model

run_migrations(Model.metadata)
