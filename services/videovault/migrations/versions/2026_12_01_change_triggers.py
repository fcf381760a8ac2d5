"""Triggers: hybrid times of what changes, the log of changes, and tombstones of what is deleted."""

from alembic import op

revision = "change_triggers"
down_revision = "changes"
branch_labels = None
depends_on = None

TEXTS = (
    "file_path",
    "file_name",
    "file_size",
    "mime_type",
    "duration_seconds",
    "title",
    "description",
    "hash",
)
FIELDS = (*TEXTS, "missing_since")
"""The tracked columns of a video, besides the keys of its metadata."""

# A name in the way of another one ends with this for the rest of its transaction; that is no change.
TRUE_PATH = "split_part({row}.file_path, E'\\x01', 1)"

NEXT_TIME = """
CREATE FUNCTION next_time(last text) RETURNS text LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    current_ms text := lpad(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint::text, 13, '0');
BEGIN
    IF last IS NULL OR left(last, 13) < current_ms THEN
        RETURN current_ms || '-00000-server';
    ELSIF substr(last, 15, 5) < '99999' THEN
        RETURN left(last, 14) || lpad((substr(last, 15, 5)::int + 1)::text, 5, '0') || '-server';
    END IF;
    RETURN lpad((left(last, 13)::bigint + 1)::text, 13, '0') || '-00000-server';
END
$$
"""
JSON_TIME = """
CREATE FUNCTION json_time(moment timestamptz) RETURNS text LANGUAGE sql STABLE
    RETURN replace(to_char(timezone('UTC', moment), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z')
"""


def _value(row: str, column: str) -> str:
    if column == "file_path":
        return TRUE_PATH.format(row=row)
    return f"json_time({row}.{column})" if column == "missing_since" else f"{row}.{column}"


def _field(row: str) -> str:
    cases = " ".join(f"WHEN '{column}' THEN to_jsonb({_value(row, column)})" for column in FIELDS)
    return (
        f"CASE WHEN c.field ^@ 'metadata/' THEN {row}.metadata -> substr(c.field, 10)"
        f" ELSE CASE c.field {cases} END END"
    )


def _record(row: str) -> str:
    pairs = ", ".join(f"'{column}', {_value(row, column)}" for column in FIELDS)
    return (
        f"jsonb_build_object({pairs}, 'metadata', {row}.metadata, 'created_at', json_time({row}.created_at),"
        f" 'clocks', {row}.clocks)"
    )


NOTE_CHANGED = "\n    ".join(
    f"IF {_value('NEW', column)} IS DISTINCT FROM {_value('OLD', column)} THEN"
    f" changed := array_append(changed, '{column}'); END IF;"
    for column in FIELDS
)
STAMP_NEW_VIDEO = """
CREATE FUNCTION stamp_new_video() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.clocks = '{}' THEN
        NEW.last_at := next_time(
            greatest(NEW.last_at, (SELECT greatest(t.at, t.last_at) FROM tombstones t WHERE t.id = NEW.id))
        );
        NEW.clocks := jsonb_build_object('*', NEW.last_at);
    END IF;
    RETURN NEW;
END
$$
"""
# Which fields changed shows in their clocks from here on: the log compares nothing else.
STAMP_VIDEO = f"""
CREATE FUNCTION stamp_video() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    changed text[] := '{{}}';
BEGIN
    IF NEW.id <> OLD.id THEN
        RAISE EXCEPTION 'the id of a video stays' USING ERRCODE = 'restrict_violation';
    END IF;
    {NOTE_CHANGED}
    IF NEW.metadata <> OLD.metadata THEN
        changed := changed || ARRAY(
            SELECT 'metadata/' || key
                FROM (SELECT jsonb_object_keys(OLD.metadata) UNION SELECT jsonb_object_keys(NEW.metadata)) k (key)
                WHERE NEW.metadata -> key IS DISTINCT FROM OLD.metadata -> key
        );
    END IF;
    IF cardinality(changed) > 0 AND NEW.updated_at = OLD.updated_at THEN
        NEW.updated_at := now();
    END IF;
    changed := ARRAY(
        SELECT f FROM unnest(changed) f WHERE NEW.clocks -> f IS NOT DISTINCT FROM OLD.clocks -> f
    );
    IF cardinality(changed) > 0 THEN
        NEW.last_at := next_time(greatest(OLD.last_at, NEW.last_at));
        NEW.clocks := NEW.clocks || (SELECT jsonb_object_agg(f, NEW.last_at) FROM unnest(changed) f);
    END IF;
    RETURN NEW;
END
$$
"""  # noqa: S608 - names of this file
BURY_VIDEO = """
CREATE FUNCTION bury_video() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO tombstones (id, at, last_at, record, tags, history)
        VALUES (
            OLD.id,
            coalesce(nullif(current_setting('videovault.at', true), ''), next_time(OLD.last_at)),
            OLD.last_at,
            to_jsonb(OLD),
            (SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') FROM tags t WHERE t.video_id = OLD.id),
            (SELECT coalesce(jsonb_agg(to_jsonb(h)), '[]') FROM watch_history h WHERE h.video_id = OLD.id)
        )
        ON CONFLICT (id) DO UPDATE
            SET at = excluded.at, last_at = excluded.last_at, record = excluded.record, tags = excluded.tags,
                history = excluded.history;
    RETURN OLD;
END
$$
"""
COLUMNS = "INSERT INTO changes (at, actor, operation_id, entity, entity_id, field, old, new)"
BY = """coalesce(nullif(current_setting('videovault.actor', true), ''), 'sql'),
            nullif(current_setting('videovault.operation_id', true), '')::uuid"""
# Plans are kept, and a loop of loops that was planned for one row would take minutes for ten thousand.
LOGGING = "LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_nestloop TO off"
LOG_NEW_VIDEOS = f"""
CREATE FUNCTION log_new_videos() RETURNS trigger {LOGGING} AS $$
BEGIN
    {COLUMNS}
        SELECT n.last_at, {BY}, 'video', n.id, '*', NULL, {_record("n")}
            FROM new_rows n;
    RETURN NULL;
END
$$
"""  # noqa: S608 - names of this file
LOG_CHANGED_VIDEOS = f"""
CREATE FUNCTION log_changed_videos() RETURNS trigger {LOGGING} AS $$
BEGIN
    {COLUMNS}
        SELECT c.at, {BY}, 'video', n.id, c.field, {_field("o")}, {_field("n")}
            FROM new_rows n
            JOIN old_rows o ON o.id = n.id AND o.clocks <> n.clocks
            CROSS JOIN LATERAL jsonb_each_text(n.clocks) AS c (field, at)
            WHERE c.at IS DISTINCT FROM o.clocks ->> c.field AND c.field <> '*';
    RETURN NULL;
END
$$
"""  # noqa: S608 - names of this file
LOG_DELETED_VIDEOS = f"""
CREATE FUNCTION log_deleted_videos() RETURNS trigger {LOGGING} AS $$
BEGIN
    {COLUMNS}
        SELECT t.at, {BY}, 'video', o.id, '*', {_record("o")}, NULL
            FROM old_rows o JOIN tombstones t ON t.id = o.id;
    RETURN NULL;
END
$$
"""  # noqa: S608 - names of this file
STAMP_TAG = """
CREATE FUNCTION stamp_tag() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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


def _tag(row: str) -> str:
    return f"{row}.folded_category || ':' || {row}.folded_name"


LOG_NEW_TAGS = f"""
CREATE FUNCTION log_new_tags() RETURNS trigger {LOGGING} AS $$
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
LOG_CHANGED_TAGS = f"""
CREATE FUNCTION log_changed_tags() RETURNS trigger {LOGGING} AS $$
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
# The tags of a deleted video go with it, and are no changes of their own.
LOG_DELETED_TAGS = f"""
CREATE FUNCTION log_deleted_tags() RETURNS trigger {LOGGING} AS $$
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
FUNCTIONS = {
    "next_time(text)": NEXT_TIME,
    "json_time(timestamptz)": JSON_TIME,
    "stamp_new_video()": STAMP_NEW_VIDEO,
    "stamp_video()": STAMP_VIDEO,
    "bury_video()": BURY_VIDEO,
    "log_new_videos()": LOG_NEW_VIDEOS,
    "log_changed_videos()": LOG_CHANGED_VIDEOS,
    "log_deleted_videos()": LOG_DELETED_VIDEOS,
    "stamp_tag()": STAMP_TAG,
    "log_new_tags()": LOG_NEW_TAGS,
    "log_changed_tags()": LOG_CHANGED_TAGS,
    "log_deleted_tags()": LOG_DELETED_TAGS,
}
IS_CHANGED = " OR ".join(
    f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in ("id", *FIELDS, "metadata")
)
OLD_ROWS, NEW_ROWS = "REFERENCING OLD TABLE AS old_rows", "REFERENCING NEW TABLE AS new_rows"
BOTH_ROWS = f"{OLD_ROWS} NEW TABLE AS new_rows"
TRIGGERS = (
    "stamp_new_video BEFORE INSERT ON videos FOR EACH ROW EXECUTE FUNCTION stamp_new_video()",
    f"stamp_video BEFORE UPDATE ON videos FOR EACH ROW WHEN ({IS_CHANGED}) EXECUTE FUNCTION stamp_video()",
    "bury_video BEFORE DELETE ON videos FOR EACH ROW EXECUTE FUNCTION bury_video()",
    f"log_new_videos AFTER INSERT ON videos {NEW_ROWS} FOR EACH STATEMENT EXECUTE FUNCTION log_new_videos()",
    f"log_changed_videos AFTER UPDATE ON videos {BOTH_ROWS} FOR EACH STATEMENT EXECUTE FUNCTION log_changed_videos()",
    f"log_deleted_videos AFTER DELETE ON videos {OLD_ROWS} FOR EACH STATEMENT EXECUTE FUNCTION log_deleted_videos()",
    "stamp_tag BEFORE INSERT OR UPDATE ON tags FOR EACH ROW EXECUTE FUNCTION stamp_tag()",
    f"log_new_tags AFTER INSERT ON tags {NEW_ROWS} FOR EACH STATEMENT EXECUTE FUNCTION log_new_tags()",
    f"log_changed_tags AFTER UPDATE ON tags {BOTH_ROWS} FOR EACH STATEMENT EXECUTE FUNCTION log_changed_tags()",
    f"log_deleted_tags AFTER DELETE ON tags {OLD_ROWS} FOR EACH STATEMENT EXECUTE FUNCTION log_deleted_tags()",
)
MADE_AT = "lpad(floor(extract(epoch FROM created_at) * 1000)::bigint::text, 13, '0') || '-00000-server'"
BACKFILL = (
    f"UPDATE videos SET last_at = {MADE_AT}, clocks = jsonb_build_object('*', {MADE_AT})",  # noqa: S608 - names of this file
    f"UPDATE tags SET dots = jsonb_build_object({MADE_AT}, jsonb_build_array(tag_category, tag_name))",  # noqa: S608
    "UPDATE videos v SET last_at = greatest(v.last_at, d.at)"
    " FROM (SELECT video_id, max(key) FROM tags, jsonb_object_keys(dots) key GROUP BY video_id) d (id, at)"
    " WHERE d.id = v.id",
    f"{COLUMNS} SELECT n.clocks ->> '*', 'sql', NULL, 'video', n.id, '*', NULL, {_record('n')} FROM videos n",  # noqa: S608
    f"{COLUMNS} SELECT key, 'sql', NULL, 'tag', t.video_id, {_tag('t')}, NULL, t.dots"  # noqa: S608
    " FROM tags t, jsonb_object_keys(t.dots) key",
)
"""What was there before the log: as if it had been recorded when it was made."""


def upgrade() -> None:
    """Apply."""
    for function in FUNCTIONS.values():
        op.execute(function)
    for statement in BACKFILL:
        op.execute(statement)
    for trigger in TRIGGERS:
        op.execute(f"CREATE TRIGGER {trigger}")


def downgrade() -> None:
    """Undo."""
    for trigger in TRIGGERS:
        name, table = trigger.split(" ", 1)[0], "videos" if " ON videos " in trigger else "tags"
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
