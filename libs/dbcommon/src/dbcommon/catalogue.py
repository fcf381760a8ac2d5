"""What the catalogues say of a schema's objects, as text that can be compared with another schema's of the same server.

Objects of extensions are left out, and alembic's own table. Names are written as `search_path` finds them, so that the same
object reads the same in two schemas of which each comes first in its path.
"""

from typing import NamedTuple

from sqlalchemy import Connection

SCRATCH = "quartet_expected_"
"""The prefix of a schema that is compared with the real one. A function that keeps its `search_path` names it."""

# `owner`, `key`, `definition`: of an object whose owner is missing nothing else is said.
_OBJECTS = """
WITH relation AS (
    SELECT c.oid, c.relname, c.relkind, c.relacl, c.relowner,
        CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
            WHEN 'f' THEN 'foreign table' ELSE 'table' END || ' ' || c.relname::text AS key
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND c.relname <> 'alembic_version'
        AND NOT EXISTS (SELECT FROM pg_depend d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), routine AS (
    SELECT p.*, 'function ' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS key
    FROM pg_proc p
    WHERE p.pronamespace = current_schema()::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend d
            WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
)
SELECT o.key AS owner, r.key,
    CASE WHEN r.relkind IN ('v', 'm') THEN pg_get_viewdef(r.oid, true) ELSE '' END AS definition
FROM relation r
LEFT JOIN pg_depend d ON r.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = r.oid
    AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
LEFT JOIN relation o ON o.oid = d.refobjid
UNION ALL
SELECT r.key, 'column ' || r.relname || '.' || a.attname,
    format_type(a.atttypid, a.atttypmod)
    || CASE WHEN a.attcollation NOT IN (0, t.typcollation) THEN ' COLLATE ' || a.attcollation::regcollation::text ELSE '' END
    || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
    || CASE WHEN a.attidentity <> '' THEN ' IDENTITY ' || a.attidentity::text ELSE '' END
    || CASE WHEN x.adbin IS NULL THEN '' WHEN a.attgenerated <> '' THEN ' GENERATED ' ELSE ' DEFAULT ' END
    || coalesce(pg_get_expr(x.adbin, x.adrelid, true), '')
FROM relation r
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef x ON x.adrelid = r.oid AND x.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT r.key, 'index ' || c.relname, pg_get_indexdef(i.indexrelid, 0, true)
    || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END
FROM relation r JOIN pg_index i ON i.indrelid = r.oid JOIN pg_class c ON c.oid = i.indexrelid
WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
UNION ALL
SELECT r.key, CASE k.contype WHEN 'c' THEN 'CHECK' WHEN 'f' THEN 'foreign key' WHEN 'p' THEN 'primary key'
    WHEN 'u' THEN 'unique key' ELSE 'exclusion' END || ' ' || r.relname || '.' || k.conname,
    pg_get_constraintdef(k.oid, true)
FROM relation r JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x')
UNION ALL
SELECT r.key, 'trigger ' || r.relname || '.' || t.tgname, pg_get_triggerdef(t.oid, true)
    || CASE t.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN ' (disabled)' ELSE ' (' || t.tgenabled::text || ')' END
FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
UNION ALL
SELECT r.key, 'grant on ' || r.key || ' to ' || coalesce(g.rolname, 'PUBLIC'),
    string_agg(a.privilege_type || CASE WHEN a.is_grantable THEN ' with grant option' ELSE '' END, ', '
        ORDER BY a.privilege_type)
FROM relation r CROSS JOIN LATERAL aclexplode(r.relacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
WHERE a.grantee <> r.relowner
GROUP BY r.key, g.rolname
UNION ALL
SELECT r.key, 'grant on column ' || r.relname || '.' || t.attname || ' to ' || coalesce(g.rolname, 'PUBLIC'),
    string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type)
FROM relation r JOIN pg_attribute t ON t.attrelid = r.oid AND NOT t.attisdropped
CROSS JOIN LATERAL aclexplode(t.attacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
WHERE a.grantee <> r.relowner
GROUP BY r.key, r.relname, t.attname, g.rolname
UNION ALL
SELECT NULL, f.key, f.prokind::text || ' ' || coalesce(pg_get_function_result(f.oid), '') || ' ' || l.lanname || ' '
    || f.provolatile::text || ' ' || f.prosecdef || ' ' || f.proisstrict || ' ' || coalesce(regexp_replace(f.proconfig::text, 'quartet_expected_[0-9]+, ', ''), '') || ' '
    || md5(f.prosrc)
FROM routine f JOIN pg_language l ON l.oid = f.prolang
UNION ALL
SELECT f.key, 'grant on ' || f.key || ' to ' || coalesce(g.rolname, 'PUBLIC'), 'EXECUTE'
FROM routine f CROSS JOIN LATERAL aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) a
LEFT JOIN pg_roles g ON g.oid = a.grantee
WHERE a.grantee <> f.proowner
UNION ALL
SELECT NULL, 'type ' || t.typname, coalesce(
    (SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
    format_type(t.typbasetype, t.typtypmod))
FROM pg_type t
WHERE t.typnamespace = current_schema()::regnamespace AND t.typtype IN ('e', 'd')
    AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
"""


class CatalogueEntry(NamedTuple):
    """An object's definition, and the key of the table or function that it belongs to."""

    owner: str | None
    definition: str


def read_catalogue(connection: Connection) -> dict[str, CatalogueEntry]:
    """The objects of the current schema by a key of kind and name, as `index ix_mails_due`."""
    rows = connection.exec_driver_sql(_OBJECTS)
    return {key: CatalogueEntry(owner, definition) for owner, key, definition in rows}


def find_differences(
    *, expected: dict[str, CatalogueEntry], actual: dict[str, CatalogueEntry]
) -> tuple[str, ...]:
    """A phrase for each object that is missing, not known, or other than expected."""
    told = [
        *_find_absent(expected, actual, told="is missing"),
        *_find_absent(actual, expected, told="is in no migration"),
    ]
    for key in sorted(expected.keys() & actual.keys()):
        wanted, found = expected[key].definition, actual[key].definition
        if wanted != found:
            shown = "differs" if key.startswith(("function", "view")) else f"{found}, not {wanted}"
            told.append(f"{key}: {shown}")
    return tuple(told)


def _find_absent(
    these: dict[str, CatalogueEntry], those: dict[str, CatalogueEntry], *, told: str
) -> list[str]:
    absent = these.keys() - those.keys()
    return [f"{key} {told}" for key in sorted(absent) if these[key].owner not in absent]
