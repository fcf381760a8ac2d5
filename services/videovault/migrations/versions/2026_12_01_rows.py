"""Rows that devices sync and whose fields are all there is to them, treated alike; `mine` is the first of their tables.

Such a table has `id uuid`, `clocks jsonb` and `last_at text` as videos have, and the fields, of which those that were ever given
have a time in `clocks`: a field that nobody gave loses against every value. `track_rows` gives a table its triggers. Its rows are
deleted by DELETE, and remembered in `deleted_rows`, with their values and times: a later change brings them back whole, an
earlier one loses. What such a row refers to (a video, a playlist) may be deleted and come back, so there is no foreign key: the
row stays, and is shown while the other is there.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "rows"
down_revision = "tag_statistics"
branch_labels = None
depends_on = None

ENTITIES = "'video', 'tag', 'mine', 'viewing', 'saved_filter', 'playlist', 'playlist_item', 'tag_alias', 'tag_parent'"
BY = """coalesce(nullif(current_setting('videovault.actor', true), ''), 'sql'),
            nullif(current_setting('videovault.operation_id', true), '')::uuid"""
COLUMNS = "INSERT INTO changes (at, user_id, actor, operation_id, entity, entity_id, field, old, new)"
LOGGING = "LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_nestloop TO off"
# The arguments of the triggers: the entity, the column of the user or nothing, the fields.
OWNER = "CAST(r ->> nullif(TG_ARGV[1], '') AS uuid)"

# As `field_values`, which is no part of a plan.
WHOLE = """(
            SELECT coalesce(jsonb_object_agg(f, field_value(r, f)), '{}') || jsonb_build_object('clocks', r -> 'clocks')
                FROM unnest(TG_ARGV[2:]) f WHERE r -> 'clocks' ? f
        )"""

FIELD_VALUE = """
CREATE FUNCTION field_value(whole jsonb, field text) RETURNS jsonb LANGUAGE sql STABLE
    RETURN CASE WHEN field LIKE '%\\_at' AND whole ->> field IS NOT NULL
        THEN to_jsonb(json_time(CAST(whole ->> field AS timestamptz))) ELSE whole -> field END
"""
FIELD_VALUES = """
CREATE FUNCTION field_values(whole jsonb) RETURNS jsonb LANGUAGE sql STABLE
    RETURN (
        SELECT coalesce(jsonb_object_agg(f, field_value(whole, f)), '{}') || jsonb_build_object('clocks', whole -> 'clocks')
            FROM jsonb_object_keys(whole -> 'clocks') f WHERE whole ? f
    )
"""
# Loops over expressions: a query in a trigger of a row takes ten times as long.
STAMP_ROW = """
CREATE FUNCTION stamp_row() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    after jsonb := to_jsonb(NEW);
    before jsonb;
    stamps jsonb := '{}';
    at text;
    field text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.clocks <> '{}' THEN
            RETURN NEW;
        END IF;
        SELECT greatest(d.at, d.last_at) INTO at FROM deleted_rows d WHERE d.entity = TG_ARGV[0] AND d.id = NEW.id;
        at := next_time(greatest(NEW.last_at, at));
        FOREACH field IN ARRAY TG_ARGV[2:] LOOP
            IF after -> field NOT IN ('null', 'false') THEN
                stamps := stamps || jsonb_build_object(field, at);
            END IF;
        END LOOP;
        NEW.last_at := at;
        NEW.clocks := stamps;
        RETURN NEW;
    END IF;
    IF NEW.id <> OLD.id THEN
        RAISE EXCEPTION 'the id of a row stays' USING ERRCODE = 'restrict_violation';
    END IF;
    before := to_jsonb(OLD);
    FOREACH field IN ARRAY TG_ARGV[2:] LOOP
        IF after -> field <> before -> field AND NEW.clocks -> field IS NOT DISTINCT FROM OLD.clocks -> field THEN
            at := coalesce(at, next_time(greatest(OLD.last_at, NEW.last_at)));
            stamps := stamps || jsonb_build_object(field, at);
        END IF;
    END LOOP;
    IF at IS NOT NULL THEN
        NEW.last_at := at;
        NEW.clocks := NEW.clocks || stamps;
    END IF;
    RETURN NEW;
END
$$
"""
BURY_ROW = """
CREATE FUNCTION bury_row() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    r jsonb := to_jsonb(OLD);
BEGIN
    INSERT INTO deleted_rows (entity, id, user_id, at, last_at, record)
        VALUES (
            TG_ARGV[0],
            OLD.id,
            CAST(r ->> nullif(TG_ARGV[1], '') AS uuid),
            coalesce(nullif(current_setting('videovault.at', true), ''), next_time(OLD.last_at)),
            OLD.last_at,
            r
        )
        ON CONFLICT (entity, id) DO UPDATE
            SET user_id = excluded.user_id, at = excluded.at, last_at = excluded.last_at, record = excluded.record;
    RETURN OLD;
END
$$
"""
LOG_NEW_ROWS = f"""
CREATE FUNCTION log_new_rows() RETURNS trigger {LOGGING} AS $$
BEGIN
    DELETE FROM deleted_rows d USING new_rows n WHERE d.entity = TG_ARGV[0] AND d.id = n.id;
    {COLUMNS}
        SELECT n.last_at, {OWNER}, {BY}, TG_ARGV[0], n.id, '*', NULL, {WHOLE}
            FROM new_rows n CROSS JOIN LATERAL to_jsonb(n) AS r;
    RETURN NULL;
END
$$
"""  # noqa: S608 - names of this file
LOG_CHANGED_ROWS = f"""
CREATE FUNCTION log_changed_rows() RETURNS trigger {LOGGING} AS $$
BEGIN
    {COLUMNS}
        SELECT c.at, {OWNER}, {BY}, TG_ARGV[0], n.id, c.field, field_value(to_jsonb(o), c.field), field_value(r, c.field)
            FROM new_rows n
            JOIN old_rows o ON o.id = n.id AND o.clocks <> n.clocks
            CROSS JOIN LATERAL to_jsonb(n) AS r
            CROSS JOIN LATERAL jsonb_each_text(n.clocks) AS c (field, at)
            WHERE c.at IS DISTINCT FROM o.clocks ->> c.field AND r ? c.field;
    RETURN NULL;
END
$$
"""  # noqa: S608 - names of this file
LOG_DELETED_ROWS = f"""
CREATE FUNCTION log_deleted_rows() RETURNS trigger {LOGGING} AS $$
BEGIN
    {COLUMNS}
        SELECT d.at, {OWNER}, {BY}, TG_ARGV[0], o.id, '*', {WHOLE}, NULL
            FROM old_rows o
            JOIN deleted_rows d ON d.entity = TG_ARGV[0] AND d.id = o.id
            CROSS JOIN LATERAL to_jsonb(o) AS r;
    RETURN NULL;
END
$$
"""  # noqa: S608 - names of this file
TRACK_ROWS = """
CREATE FUNCTION track_rows(tracked regclass, entity text, owner text, fields text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    arguments text := (
        SELECT string_agg(quote_literal(a), ', ' ORDER BY n)
            FROM unnest(ARRAY[entity, coalesce(owner, '')] || fields) WITH ORDINALITY AS t (a, n)
    );
    each text;
BEGIN
    FOREACH each IN ARRAY ARRAY[
        'stamp_row BEFORE INSERT OR UPDATE ON %1$s FOR EACH ROW EXECUTE FUNCTION stamp_row(%2$s)',
        'bury_row BEFORE DELETE ON %1$s FOR EACH ROW EXECUTE FUNCTION bury_row(%2$s)',
        'log_new_rows AFTER INSERT ON %1$s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT'
            ' EXECUTE FUNCTION log_new_rows(%2$s)',
        'log_changed_rows AFTER UPDATE ON %1$s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT'
            ' EXECUTE FUNCTION log_changed_rows(%2$s)',
        'log_deleted_rows AFTER DELETE ON %1$s REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT'
            ' EXECUTE FUNCTION log_deleted_rows(%2$s)'
    ] LOOP
        EXECUTE format('CREATE TRIGGER ' || each, tracked, arguments);
    END LOOP;
END
$$
"""
FUNCTIONS = {
    "field_value(jsonb, text)": FIELD_VALUE,
    "field_values(jsonb)": FIELD_VALUES,
    "stamp_row()": STAMP_ROW,
    "bury_row()": BURY_ROW,
    "log_new_rows()": LOG_NEW_ROWS,
    "log_changed_rows()": LOG_CHANGED_ROWS,
    "log_deleted_rows()": LOG_DELETED_ROWS,
    "track_rows(regclass, text, text, text[])": TRACK_ROWS,
}


def _purge(covers: str) -> str:
    return f"""
CREATE OR REPLACE FUNCTION purge_changes(most integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
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
                            OR (l.entity = 'video' AND l.field = '*' AND (c.entity = 'video' OR l.new IS NULL)){covers}
                        )
                )
            )
            LIMIT most
    );
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$$
"""  # noqa: S608 - text of this file


# A whole row, made or deleted, covers what was before.
WITH_ROWS = """
                            OR (l.entity = c.entity AND l.entity NOT IN ('video', 'tag') AND l.field = '*')"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "deleted_rows",
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("last_at", sa.Text(), nullable=False),
        sa.Column("record", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("entity", "id", name="pk_deleted_rows"),
    )
    op.create_index("ix_deleted_rows_user_id", "deleted_rows", ["user_id"])
    op.create_table(
        "owners",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_owners"),
    )
    op.add_column("operations", sa.Column("user_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_changes_user_id", "changes", ["user_id"], postgresql_where=sa.text("user_id IS NOT NULL")
    )
    _check_entities(ENTITIES)
    op.execute(_purge(WITH_ROWS))
    for function in FUNCTIONS.values():
        op.execute(function)
    op.create_table(
        "mine",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("video_id", sa.Uuid(), nullable=False),
        sa.Column("favourite", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("rating", sa.SmallInteger(), nullable=True),
        sa.Column("clocks", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("last_at", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mine"),
        sa.UniqueConstraint("user_id", "video_id", name="uq_mine_user_id_video_id"),
        sa.CheckConstraint("rating BETWEEN 0 AND 10", name=op.f("ck_mine_rating")),
    )
    op.execute("SELECT track_rows('mine', 'mine', 'user_id', ARRAY['video_id', 'favourite', 'rating'])")


def downgrade() -> None:
    """Undo."""
    op.drop_table("mine")
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    op.execute(_purge(""))
    op.execute("DELETE FROM changes WHERE entity NOT IN ('video', 'tag')")
    _check_entities("'video', 'tag'")
    op.drop_index("ix_changes_user_id", "changes")
    op.drop_column("operations", "user_id")
    op.drop_table("owners")
    op.drop_table("deleted_rows")


def _check_entities(names: str) -> None:
    op.drop_constraint(op.f("ck_changes_entity"), "changes")
    op.create_check_constraint(op.f("ck_changes_entity"), "changes", f"entity IN ({names})")
