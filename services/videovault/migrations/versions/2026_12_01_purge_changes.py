"""Old rows of the log of changes can be purged, by a function: nobody else but its owner deletes any."""

from alembic import op

revision = "purge_changes"
down_revision = "query"
branch_labels = None
depends_on = None

# A record that is made or deleted as a whole covers what was before; a new one holds no tags.
PURGE = """
CREATE FUNCTION purge_changes(most integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
DECLARE
    purged integer;
BEGIN
    DELETE FROM changes WHERE (xid, seq) IN (
        SELECT c.xid, c.seq FROM changes c
            WHERE c.created_at < now() - interval '30 days'
            AND (
                c.status = 'superseded'
                OR EXISTS (
                    SELECT FROM changes l
                        WHERE l.entity_id = c.entity_id AND l.seq > c.seq AND l.status = 'applied'
                        AND (
                            (l.entity = c.entity AND l.field = c.field)
                            OR (l.entity = 'video' AND l.field = '*' AND (c.entity = 'video' OR l.new IS NULL))
                        )
                )
            )
            LIMIT most
    );
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$$
"""


def upgrade() -> None:
    """Apply."""
    op.execute(PURGE)


def downgrade() -> None:
    """Undo."""
    op.execute("DROP FUNCTION purge_changes(integer)")
