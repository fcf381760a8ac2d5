"""A service that consists of migrations, written into a folder for their tests."""

import sys
from dataclasses import dataclass
from importlib import invalidate_caches
from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, Table, Text

ENV = """
from alembic import context
from sqlalchemy import Column, Integer, MetaData, Table, Text

from dbcommon.migrations import run_migrations

metadata = MetaData()
Table("things", metadata, Column("id", Integer, primary_key=True), Column("name", Text), Column("size", Integer))
Table("entries", metadata, Column("id", Integer, primary_key=True), Column("text", Text))
run_migrations(metadata)
"""

REVISION = '''"""{name}."""

import sqlalchemy as sa
from alembic import op

from dbcommon.migrations import make_append_only

revision = "{name}"
down_revision = {before!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    {up}


def downgrade() -> None:
    {down}
'''

TEMPLATE = """\"\"\"${message}.\"\"\"

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades}


def downgrade() -> None:
    ${downgrades}
"""

FIRST = 'op.create_table("things", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))'
ENTRIES = """op.create_table("entries", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))
    make_append_only(["entries"])"""
SIZE = 'op.add_column("things", sa.Column("size", sa.Integer))'


@dataclass(frozen=True)
class SampleService:
    """The package's name, and the folder that holds it."""

    name: str
    folder: Path

    @property
    def versions(self) -> Path:
        """The folder of its revisions."""
        return self.folder / self.name / "migrations" / "versions"

    def add_revision(self, name: str, *, before: str | tuple[str, ...] | None, up: str, down: str) -> None:
        """Add a revision."""
        text = REVISION.format(name=name, before=before, up=up, down=down)
        (self.versions / f"{name}.py").write_text(text)


def write_sample_service(folder: Path, name: str) -> SampleService:
    """Write a service of three revisions and make it importable; the caller takes `folder` off `sys.path` again."""
    service = SampleService(name, folder)
    service.versions.mkdir(parents=True)
    (folder / name / "__init__.py").write_text('"""A sample."""\n')
    (folder / name / "migrations" / "env.py").write_text(ENV)
    (folder / name / "migrations" / "script.py.mako").write_text(TEMPLATE)
    service.add_revision("first", before=None, up=FIRST, down='op.drop_table("things")')
    service.add_revision("second", before="first", up=ENTRIES, down='op.drop_table("entries")')
    service.add_revision("third", before="second", up=SIZE, down='op.drop_column("things", "size")')
    sys.path.insert(0, str(folder))
    invalidate_caches()
    return service


def sample_metadata() -> MetaData:
    """The models that the three revisions lead to."""
    metadata = MetaData()
    Table(
        "things",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", Text),
        Column("size", Integer),
    )
    Table("entries", metadata, Column("id", Integer, primary_key=True), Column("text", Text))
    return metadata
