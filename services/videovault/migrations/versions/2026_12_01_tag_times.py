"""Changes of tags leave their video's row alone.

They noted their time in `videos.last_at`, which wrote the row anew, with all its words in their index: most of what a bulk
act on tags took. Their times stand in the tags' dots and in `removed_tags`; `last_time` puts them together where one is needed
that is later than all of them.
"""

from alembic import op

revision = "tag_times"
down_revision = "viewings"
branch_labels = None
depends_on = None

COLUMNS = "INSERT INTO changes (at, actor, operation_id, entity, entity_id, field, old, new)"
BY = """coalesce(nullif(current_setting('videovault.actor', true), ''), 'sql'),
            nullif(current_setting('videovault.operation_id', true), '')::uuid"""
LOGGING = "LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_nestloop TO off"

LAST_TIME = """
CREATE FUNCTION last_time(video uuid, own text) RETURNS text LANGUAGE sql STABLE
    RETURN greatest(
        own,
        (SELECT max(d.at) FROM tags t CROSS JOIN LATERAL jsonb_object_keys(t.dots) AS d (at) WHERE t.video_id = video),
        (SELECT max(r.at) FROM removed_tags r WHERE r.video_id = video)
    )
"""


def _tag(row: str) -> str:
    return f"{row}.folded_category || ':' || {row}.folded_name"


def _folded(column: str) -> str:
    return f"normalize(lower(normalize({column}, NFKC)), NFKC)"


# The generated columns are not there yet before the row is. The service has statements planned for their values, which would be
# done here for each row. The service has each statement planned for its values, which here
# would be done for each row.
STAMP_TAG = f"""
CREATE OR REPLACE FUNCTION stamp_tag() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
    SET plan_cache_mode TO force_generic_plan AS $$
DECLARE
    last text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.dots <> '{{}}' THEN
            RETURN NEW;
        END IF;
    ELSIF NEW.dots <> OLD.dots
        OR (NEW.video_id, NEW.tag_category, NEW.tag_name) = (OLD.video_id, OLD.tag_category, OLD.tag_name) THEN
        RETURN NEW;
    ELSE
        last := (SELECT max(key) FROM jsonb_object_keys(OLD.dots) key);
    END IF;
    NEW.dots := jsonb_build_object(
        next_time(greatest(
            last,
            (SELECT v.last_at FROM videos v WHERE v.id = NEW.video_id),
            (
                SELECT max(r.at) FROM removed_tags r
                    WHERE r.video_id = NEW.video_id
                    AND r.tag = {_folded("NEW.tag_category")} || ':' || {_folded("NEW.tag_name")}
            )
        )),
        jsonb_build_array(NEW.tag_category, NEW.tag_name)
    );
    RETURN NEW;
END
$$
"""  # noqa: S608 - names of this file
LOG_NEW_TAGS = f"""
CREATE OR REPLACE FUNCTION log_new_tags() RETURNS trigger {LOGGING} AS $$
BEGIN
    {COLUMNS}
        SELECT d.at, {BY}, 'tag', n.video_id, {_tag("n")}, NULL, n.dots
            FROM new_rows n CROSS JOIN LATERAL (SELECT max(key) FROM jsonb_object_keys(n.dots) key) AS d (at);
    RETURN NULL;
END
$$
"""  # noqa: S608 - names of this file
# A tag that became another one has the time of that, and no adds left instead of null: it is undone with the other.
LOG_CHANGED_TAGS = f"""
CREATE OR REPLACE FUNCTION log_changed_tags() RETURNS trigger {LOGGING} AS $$
BEGIN
    WITH compared AS (
        SELECT video_id, tag, o.dots AS old, n.dots AS new
            FROM (SELECT o.video_id, {_tag("o")} AS tag, o.dots FROM old_rows o) o
            FULL JOIN (SELECT n.video_id, {_tag("n")} AS tag, n.dots FROM new_rows n) n USING (video_id, tag)
            WHERE o.dots IS DISTINCT FROM n.dots
    ), timed AS (
        SELECT c.*, (
                SELECT max(key) FROM jsonb_object_keys(c.new) key WHERE c.old IS NULL OR NOT c.old ? key
            ) AS added_at FROM compared c
    ), removed AS (
        INSERT INTO removed_tags (video_id, tag, at)
            SELECT c.video_id, c.tag, d.at
                FROM compared c CROSS JOIN LATERAL jsonb_object_keys(c.old) AS d (at)
                WHERE c.new IS NULL OR NOT c.new ? d.at
            ON CONFLICT DO NOTHING
    )
    {COLUMNS}
        SELECT coalesce(
                t.added_at,
                nullif(current_setting('videovault.at', true), ''),
                max(t.added_at) OVER (PARTITION BY t.video_id),
                next_time((SELECT max(key) FROM jsonb_object_keys(t.old) key))
            ), {BY}, 'tag', t.video_id, t.tag, t.old, coalesce(t.new, '{{}}')
            FROM timed t;
    RETURN NULL;
END
$$
"""  # noqa: S608 - names of this file
# The tags of a deleted video go with it, and are no changes of their own.
LOG_DELETED_TAGS = f"""
CREATE OR REPLACE FUNCTION log_deleted_tags() RETURNS trigger {LOGGING} AS $$
DECLARE
    removed_at text := nullif(current_setting('videovault.at', true), '');
BEGIN
    WITH gone AS (
        SELECT o.video_id, {_tag("o")} AS tag, o.dots, coalesce(
                removed_at,
                next_time(greatest(v.last_at, (SELECT max(key) FROM jsonb_object_keys(o.dots) key)))
            ) AS at
            FROM old_rows o JOIN videos v ON v.id = o.video_id
    ), removed AS (
        INSERT INTO removed_tags (video_id, tag, at)
            SELECT g.video_id, g.tag, d.at FROM gone g CROSS JOIN LATERAL jsonb_object_keys(g.dots) AS d (at)
            ON CONFLICT DO NOTHING
    )
    {COLUMNS}
        SELECT g.at, {BY}, 'tag', g.video_id, g.tag, g.dots, NULL FROM gone g;
    RETURN NULL;
END
$$
"""  # noqa: S608 - names of this file


STAMP_TOMBSTONE = """
CREATE FUNCTION stamp_tombstone() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.last_at := last_time(NEW.id, NEW.last_at);
    IF coalesce(current_setting('videovault.at', true), '') = '' THEN
        NEW.at := next_time(NEW.last_at);
    END IF;
    RETURN NEW;
END
$$
"""


def upgrade() -> None:
    """Apply."""
    for function in (
        LAST_TIME,
        STAMP_TAG,
        LOG_NEW_TAGS,
        LOG_CHANGED_TAGS,
        LOG_DELETED_TAGS,
        STAMP_TOMBSTONE,
    ):
        op.execute(function)
    op.execute(
        "CREATE TRIGGER stamp_tombstone BEFORE INSERT ON tombstones FOR EACH ROW EXECUTE FUNCTION stamp_tombstone()"
    )


# As they were.
OLD_STAMP_TAG = """
CREATE OR REPLACE FUNCTION stamp_tag() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.dots <> '{}' THEN
            RETURN NEW;
        END IF;
    ELSIF NEW.dots <> OLD.dots
        OR (NEW.video_id, NEW.tag_category, NEW.tag_name) = (OLD.video_id, OLD.tag_category, OLD.tag_name) THEN
        RETURN NEW;
    END IF;
    NEW.dots := jsonb_build_object(
        next_time((SELECT v.last_at FROM videos v WHERE v.id = NEW.video_id)),
        jsonb_build_array(NEW.tag_category, NEW.tag_name)
    );
    RETURN NEW;
END
$$
"""
OLD_LOG_NEW_TAGS = f"""
CREATE OR REPLACE FUNCTION log_new_tags() RETURNS trigger {LOGGING} AS $$
BEGIN
    UPDATE videos v
        SET last_at = d.at
        FROM (SELECT n.video_id, max(key) FROM new_rows n, jsonb_object_keys(n.dots) key GROUP BY 1) AS d (video_id, at)
        WHERE v.id = d.video_id AND v.last_at < d.at;
    {COLUMNS}
        SELECT d.at, {BY}, 'tag', n.video_id, {_tag("n")}, NULL, n.dots
            FROM new_rows n CROSS JOIN LATERAL (SELECT max(key) FROM jsonb_object_keys(n.dots) key) AS d (at);
    RETURN NULL;
END
$$
"""  # noqa: S608 - names of this file
OLD_LOG_CHANGED_TAGS = f"""
CREATE OR REPLACE FUNCTION log_changed_tags() RETURNS trigger {LOGGING} AS $$
BEGIN
    UPDATE videos v
        SET last_at = d.at
        FROM (SELECT n.video_id, max(key) FROM new_rows n, jsonb_object_keys(n.dots) key GROUP BY 1) AS d (video_id, at)
        WHERE v.id = d.video_id AND v.last_at < d.at;
    WITH compared AS (
        SELECT video_id, tag, o.dots AS old, n.dots AS new
            FROM (SELECT o.video_id, {_tag("o")} AS tag, o.dots FROM old_rows o) o
            FULL JOIN (SELECT n.video_id, {_tag("n")} AS tag, n.dots FROM new_rows n) n USING (video_id, tag)
            WHERE o.dots IS DISTINCT FROM n.dots
    ), removed AS (
        INSERT INTO removed_tags (video_id, tag, at)
            SELECT c.video_id, c.tag, d.at
                FROM compared c CROSS JOIN LATERAL jsonb_object_keys(c.old) AS d (at)
                WHERE c.new IS NULL OR NOT c.new ? d.at
            ON CONFLICT DO NOTHING
    )
    {COLUMNS}
        SELECT coalesce(
                (SELECT max(key) FROM jsonb_object_keys(c.new) key WHERE c.old IS NULL OR NOT c.old ? key),
                nullif(current_setting('videovault.at', true), ''),
                (SELECT v.last_at FROM videos v WHERE v.id = c.video_id)
            ), {BY}, 'tag', c.video_id, c.tag, c.old, c.new
            FROM compared c;
    RETURN NULL;
END
$$
"""  # noqa: S608 - names of this file
OLD_LOG_DELETED_TAGS = f"""
CREATE OR REPLACE FUNCTION log_deleted_tags() RETURNS trigger {LOGGING} AS $$
DECLARE
    removed_at text := nullif(current_setting('videovault.at', true), '');
BEGIN
    WITH touched AS (
        UPDATE videos v
            SET last_at = greatest(v.last_at, coalesce(removed_at, next_time(v.last_at)))
            WHERE v.id IN (SELECT o.video_id FROM old_rows o)
            RETURNING v.id, coalesce(removed_at, v.last_at) AS at
    ), gone AS (
        SELECT t.at, o.video_id, {_tag("o")} AS tag, o.dots FROM old_rows o JOIN touched t ON t.id = o.video_id
    ), removed AS (
        INSERT INTO removed_tags (video_id, tag, at)
            SELECT g.video_id, g.tag, d.at FROM gone g CROSS JOIN LATERAL jsonb_object_keys(g.dots) AS d (at)
            ON CONFLICT DO NOTHING
    )
    {COLUMNS}
        SELECT g.at, {BY}, 'tag', g.video_id, g.tag, g.dots, NULL FROM gone g;
    RETURN NULL;
END
$$
"""  # noqa: S608 - names of this file


def downgrade() -> None:
    """Undo."""
    op.execute("DROP TRIGGER stamp_tombstone ON tombstones")
    op.execute("DROP FUNCTION stamp_tombstone()")
    for function in (OLD_STAMP_TAG, OLD_LOG_NEW_TAGS, OLD_LOG_CHANGED_TAGS, OLD_LOG_DELETED_TAGS):
        op.execute(function)
    op.execute("DROP FUNCTION last_time(uuid, text)")
