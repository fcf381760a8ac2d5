"""Aliases and parents of tags. What is above a tag is settled under one lock, so that two at once close no circle."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "tag_names"
down_revision = "imports"
branch_labels = None
depends_on = None

DEEPEST = 10

RESOLVE_ALIAS = """
CREATE FUNCTION resolve_alias() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
    SET plan_cache_mode TO force_generic_plan AS $$
BEGIN
    NEW.tag_name := coalesce((
        SELECT a.tag_name FROM tag_aliases a
            WHERE a.folded_category = normalize(lower(normalize(NEW.tag_category, NFKC)), NFKC)
            AND a.folded_alias = normalize(lower(normalize(NEW.tag_name, NFKC)), NFKC)
    ), NEW.tag_name);
    RETURN NEW;
END
$$
"""
# What is above the parent, and how deep it is below the tag.
CHECK_PARENT = f"""
CREATE FUNCTION check_parent() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    above integer;
    below integer;
BEGIN
    PERFORM FROM library FOR NO KEY UPDATE;
    WITH RECURSIVE up (category, name, height) AS (
        SELECT NEW.folded_category, NEW.folded_name, 0
        UNION ALL
        SELECT p.folded_parent_category, p.folded_parent_name, up.height + 1
            FROM up JOIN tag_parents p ON (p.folded_category, p.folded_name) = (up.category, up.name)
            WHERE up.height <= {DEEPEST}
    ), down (category, name, depth) AS (
        SELECT NEW.folded_category, NEW.folded_name, 0
        UNION ALL
        SELECT p.folded_category, p.folded_name, down.depth + 1
            FROM down JOIN tag_parents p ON (p.folded_parent_category, p.folded_parent_name) = (down.category, down.name)
            WHERE down.depth <= {DEEPEST}
    )
    SELECT (SELECT max(height) FROM up), (SELECT max(depth) FROM down) INTO above, below;
    IF above + below > {DEEPEST} THEN
        RAISE EXCEPTION 'a tag is above itself, or has more than {DEEPEST} tags above it'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_tag_parents_no_circle';
    END IF;
    RETURN NULL;
END
$$
"""  # noqa: S608 - a number of this file


def _folded(column: str) -> str:
    return f"normalize(lower(normalize({column}, NFKC)), NFKC)"


def _computed(name: str, column: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), sa.Computed(_folded(column), persisted=True), nullable=False)


def _row_columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("clocks", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("last_at", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
    )


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "tag_aliases",
        *_row_columns(),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("tag_category", "alias", "tag_name")),
        _computed("folded_category", "tag_category"),
        _computed("folded_alias", "alias"),
        _computed("folded_name", "tag_name"),
        sa.PrimaryKeyConstraint("id", name="pk_tag_aliases"),
        sa.UniqueConstraint(
            "folded_category", "folded_alias", name="uq_tag_aliases_folded_category_folded_alias"
        ),
        sa.CheckConstraint("folded_alias <> folded_name", name=op.f("ck_tag_aliases_alias_is_another_name")),
    )
    op.create_index(
        "ix_tag_aliases_folded_category_folded_name", "tag_aliases", ["folded_category", "folded_name"]
    )
    names = ("tag_category", "tag_name", "parent_category", "parent_name")
    op.create_table(
        "tag_parents",
        *_row_columns(),
        *(sa.Column(name, sa.Text(), nullable=False) for name in names),
        *(_computed(f"folded_{name.removeprefix('tag_')}", name) for name in names),
        sa.PrimaryKeyConstraint("id", name="pk_tag_parents"),
        sa.UniqueConstraint(
            "folded_category", "folded_name", name="uq_tag_parents_folded_category_folded_name"
        ),
    )
    op.create_index(
        "ix_tag_parents_folded_parent_category_folded_parent_name",
        "tag_parents",
        ["folded_parent_category", "folded_parent_name"],
    )
    op.execute(
        "SELECT track_rows('tag_aliases', 'tag_alias', '', ARRAY['tag_category', 'alias', 'tag_name'])"
    )
    op.execute(f"SELECT track_rows('tag_parents', 'tag_parent', '', ARRAY{list(names)})")
    op.execute(RESOLVE_ALIAS)
    op.execute(CHECK_PARENT)
    # Its name comes before that of `stamp_tag`, which stamps what is stored.
    op.execute(
        "CREATE TRIGGER resolve_alias BEFORE INSERT ON tags FOR EACH ROW WHEN (NEW.dots = '{}')"
        " EXECUTE FUNCTION resolve_alias()"
    )
    op.execute(
        "CREATE TRIGGER check_parent AFTER INSERT OR UPDATE ON tag_parents"
        " FOR EACH ROW EXECUTE FUNCTION check_parent()"
    )


def downgrade() -> None:
    """Undo."""
    op.execute("DROP TRIGGER resolve_alias ON tags")
    op.drop_table("tag_parents")
    op.drop_table("tag_aliases")
    op.execute("DROP FUNCTION resolve_alias()")
    op.execute("DROP FUNCTION check_parent()")
    op.execute("DELETE FROM changes WHERE entity IN ('tag_alias', 'tag_parent')")
    op.execute("DELETE FROM deleted_rows WHERE entity IN ('tag_alias', 'tag_parent')")
