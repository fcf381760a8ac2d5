"""New words are noted by a plan of the moment.

A trigger keeps the plan of its statements. One that was made while the vocabulary was small would look through all of it for each
word, however large it has become.
"""

from alembic import op

revision = "vocabulary_plans"
down_revision = "proofs"
branch_labels = None
depends_on = None

INSERT = """INSERT INTO vocabulary (word, edits)
        SELECT w, edits_of(w) FROM (SELECT DISTINCT unnest(words) FROM new_rows) n (w)
            WHERE length(w) >= 3 AND w !~ '[0-9]' AND NOT EXISTS (SELECT FROM vocabulary v WHERE v.word = w)"""


def _note_new_words(statement: str) -> str:
    return f"""
CREATE OR REPLACE FUNCTION note_new_words() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    {statement};
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    """Apply."""
    op.execute(_note_new_words(f"EXECUTE $insert${INSERT}$insert$"))


def downgrade() -> None:
    """Undo."""
    op.execute(_note_new_words(INSERT))
