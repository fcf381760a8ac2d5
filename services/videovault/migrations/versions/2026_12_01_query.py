"""Words and keys by which videos are found and ordered, and the vocabulary for typos."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

revision = "query"
down_revision = "change_triggers"
branch_labels = None
depends_on = None

COLUMNS = {
    "words": ARRAY(sa.Text()),
    "search_text": sa.Text(),
    "search_starts": ARRAY(sa.Integer()),
    "name_key": sa.Text(collation="C"),
    "random_key": sa.BigInteger(),
    "indexed_at": TIMESTAMP(timezone=True),
}
INDEXES = {
    "ix_videos_name_key_id": "((coalesce(name_key, '')), id)",
    "ix_videos_random_key_id": "((coalesce(random_key, 0)), id)",
    "ix_videos_mime_type": "(mime_type)",
    "ix_videos_missing_since": "(missing_since) WHERE missing_since IS NOT NULL",
    "ix_videos_words": "USING gin (array_to_tsvector(words)) WITH (fastupdate = off)",
    "ix_videos_not_indexed": "(id) WHERE indexed_at IS NULL",
}
EDITS_OF = """
CREATE FUNCTION edits_of(word text) RETURNS text[] LANGUAGE sql IMMUTABLE
    RETURN word || ARRAY(SELECT left(word, n - 1) || substr(word, n + 1) FROM generate_series(1, length(word)) n)
"""
# Words of letters alone have typos. Two transactions may both note a word: then it is there twice, and neither waits.
NOTE_WORDS = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO vocabulary (word, edits)
        SELECT w, edits_of(w) FROM (SELECT DISTINCT unnest(words) {source}) n (w)
            WHERE length(w) >= 3 AND w !~ '[0-9]' AND NOT EXISTS (SELECT FROM vocabulary v WHERE v.word = w);
    RETURN NULL;
END
$$
"""
OUTDATE_WORDS = """
CREATE FUNCTION outdate_words() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.indexed_at := NULL;
    RETURN NEW;
END
$$
"""
IS_OUTDATED = """
    (OLD.title, OLD.description, OLD.file_name, OLD.file_path)
        IS DISTINCT FROM (NEW.title, NEW.description, NEW.file_name, NEW.file_path)
    AND OLD.indexed_at IS NOT DISTINCT FROM NEW.indexed_at
"""
FUNCTIONS = {
    "edits_of(text)": EDITS_OF,
    "note_new_words()": NOTE_WORDS.format(name="note_new_words", source="FROM new_rows"),
    "note_changed_words()": NOTE_WORDS.format(name="note_changed_words", source="").replace(
        "unnest(words)", "unnest(NEW.words)"
    ),
    "outdate_words()": OUTDATE_WORDS,
}
TRIGGERS = {
    "note_new_words": "AFTER INSERT ON videos REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT",
    "note_changed_words": (
        "AFTER UPDATE OF words ON videos FOR EACH ROW WHEN (OLD.words IS DISTINCT FROM NEW.words)"
    ),
    "outdate_words": f"BEFORE UPDATE ON videos FOR EACH ROW WHEN ({IS_OUTDATED})",
}


def upgrade() -> None:
    """Apply."""
    for name, kind in COLUMNS.items():
        op.add_column("videos", sa.Column(name, kind))
    op.create_table(
        "vocabulary",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("edits", ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vocabulary"),
    )
    op.create_index("ix_vocabulary_word", "vocabulary", ["word"])
    op.execute("CREATE INDEX ix_vocabulary_edits ON vocabulary USING gin (edits) WITH (fastupdate = off)")
    for name, index in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON videos {index}")
    _order_names_by('COLLATE "C"')
    for function in FUNCTIONS.values():
        op.execute(function)
    for name, when in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {name}()")


def downgrade() -> None:
    """Undo."""
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON videos")
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    _order_names_by("")
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
    op.drop_table("vocabulary")
    for name in COLUMNS:
        op.drop_column("videos", name)


def _order_names_by(collation: str) -> None:
    op.execute("DROP INDEX ix_videos_file_name_id")
    op.execute(f"CREATE INDEX ix_videos_file_name_id ON videos (file_name {collation}, id)")
