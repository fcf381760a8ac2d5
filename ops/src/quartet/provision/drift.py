"""Repairs drift in a database: objects of the wrong owner, and unplanned grants.

Only grants of PUBLIC and of the plan's roles are judged. A runtime role that lacks UPDATE or DELETE on a table does not get
them; on an append-only table it loses them.
"""

from quartet.provision.plan import ADVISORY_LOCKS, Plan, ServicePlan
from quartet.provision.session import Session, identifier

ALLOWED_ON_TABLES = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
ALLOWED_ON_SEQUENCES = frozenset({"SELECT", "USAGE"})

_OWNS = """
    SELECT DISTINCT r.rolname FROM pg_catalog.pg_shdepend s
    JOIN pg_catalog.pg_roles r ON r.oid = s.refobjid
    WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.deptype = 'o'
      AND s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
      AND r.rolname = $1
"""
_WRONG_OWNERS = """
    SELECT c.relname, c.relkind::text, r.rolname AS owner, c.relacl IS NOT NULL AS has_rules
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
    WHERE n.nspname = $1 AND r.rolname <> $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                        AND (d.deptype = 'e' OR (c.relkind = 'S' AND d.deptype IN ('a', 'i'))))
"""
_RELATION_GRANTS = """
    SELECT n.nspname, c.relname, c.relkind::text, a.attname, coalesce(g.rolname, 'PUBLIC') AS grantee,
           a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT NULL::name AS attname, whole.* FROM pg_catalog.aclexplode(c.relacl) whole
        UNION ALL
        SELECT t.attname, part.* FROM pg_catalog.pg_attribute t, pg_catalog.aclexplode(t.attacl) part
        WHERE t.attrelid = c.oid AND NOT t.attisdropped
    ) a
    LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.grantee <> c.relowner
      AND (a.grantee = 0 OR g.rolname = $1)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                        AND d.deptype = 'e')
"""
_UNREADABLE = """
    SELECT c.relname, privilege
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
    CROSS JOIN (VALUES ('SELECT'), ('INSERT')) AS wanted (privilege)
    WHERE n.nspname = $1 AND r.rolname = $2 AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND NOT (c.relname = 'alembic_version' AND privilege = 'INSERT')
      AND NOT pg_catalog.has_table_privilege($3::name, c.oid, privilege)
"""
_UNPLANNED_GRANTS = """
    SELECT r.rolname, o.type, o.schema, o.identity
    FROM pg_catalog.pg_shdepend s
    JOIN pg_catalog.pg_roles r ON r.oid = s.refobjid
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(s.classid, s.objid, 0) o
    WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.deptype = 'a'
      AND s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
      AND r.rolname = ANY($1)
"""
_KINDS = {
    "table": "TABLE",
    "view": "TABLE",
    "materialized view": "TABLE",
    "foreign table": "TABLE",
    "sequence": "SEQUENCE",
    "schema": "SCHEMA",
    "function": "ROUTINE",
    "procedure": "ROUTINE",
    "aggregate": "ROUTINE",
    "type": "TYPE",
    "domain": "DOMAIN",
    "language": "LANGUAGE",
    "large object": "LARGE OBJECT",
    "foreign-data wrapper": "FOREIGN DATA WRAPPER",
    "server": "FOREIGN SERVER",
}
"""REVOKE's words for the object types of pg_identify_object. Default privileges are handled in `contents`."""


async def ensure_ownership(session: Session, service: ServicePlan) -> None:
    """The runtime role owns nothing, and all of the service's relations belong to its owner role."""
    wrong = await session.rows(_WRONG_OWNERS, service.schema, service.owner)
    if await session.value(_OWNS, service.user):
        await session.change(
            f"{service.database}: what {service.user} owned given to {service.owner}",
            f"REASSIGN OWNED BY {identifier(service.user)} TO {identifier(service.owner)}",
        )
    for row in wrong:
        name = f"{identifier(service.schema)}.{identifier(row['relname'])}"
        told = f"{service.database}: {row['relname']}: owner {row['owner']} → {service.owner}"
        await session.change(told, f"ALTER TABLE {name} OWNER TO {identifier(service.owner)}")
        if row["has_rules"] and row["owner"] != service.user:
            continue  # grants stay; only the old owner's implicit rights are lost
        allowed = _allowed(service, row["relname"], kind=row["relkind"])
        await session.connection.execute(
            f"GRANT {', '.join(sorted(allowed))} ON {name} TO {identifier(service.user)}"
        )


def _allowed(service: ServicePlan, relation: str, *, kind: str) -> frozenset[str]:
    """The most that the runtime role may have on a relation of its schema."""
    if kind == "S":
        return ALLOWED_ON_SEQUENCES
    if relation == "alembic_version":
        return frozenset({"SELECT"})
    return ALLOWED_ON_TABLES - ({"UPDATE", "DELETE"} if relation in service.append_only else set())


async def revoke_unplanned_grants(session: Session, plan: Plan, *, service: ServicePlan) -> None:
    """Revoke grants beyond the plan, and give the runtime role the SELECT and INSERT that it lacks."""
    await _trim_relation_grants(session, service)
    await _revoke_elsewhere(session, plan, service=service)
    for row in await session.rows(_UNREADABLE, service.schema, service.owner, service.user):
        await session.change(
            f"{service.database}: {row['privilege']} on {row['relname']} granted to {service.user}",
            f"GRANT {row['privilege']} ON {identifier(service.schema)}.{identifier(row['relname'])}"
            f" TO {identifier(service.user)}",
        )


async def _trim_relation_grants(session: Session, service: ServicePlan) -> None:
    """Leave PUBLIC nothing on tables and sequences, and the runtime role no TRUNCATE, TRIGGER or REFERENCES.

    The same holds for grants on columns.
    """
    for row in await session.rows(_RELATION_GRANTS, service.user):
        privilege, grantee = row["privilege_type"], row["grantee"]
        kind = "SEQUENCE" if row["relkind"] == "S" else "TABLE"
        allowed = _allowed(service, row["relname"], kind=row["relkind"])
        is_ours = grantee == service.user
        if is_ours and privilege in allowed and not row["is_grantable"]:
            continue
        option = "GRANT OPTION FOR " if is_ours and privilege in allowed else ""
        target = identifier(grantee) if is_ours else "PUBLIC"
        column = row["attname"]
        shown, columns = (f" ({column})", f" ({identifier(column)})") if column else ("", "")
        await session.change(
            f"{service.database}: {option.lower()}{privilege}{shown} on {row['relname']} of {grantee} revoked",
            f"REVOKE {option}{privilege}{columns} ON {kind} {identifier(row['nspname'])}.{identifier(row['relname'])}"
            f" FROM {target} CASCADE",
        )


async def _revoke_elsewhere(session: Session, plan: Plan, *, service: ServicePlan) -> None:
    own = {service.user, service.owner}
    for row in await session.rows(_UNPLANNED_GRANTS, list(plan.roles)):
        kind = _KINDS.get(row["type"])
        in_own_schema = row["schema"] == service.schema or row["identity"] == identifier_of(service.schema)
        if kind is None or (row["rolname"] in own and in_own_schema):
            continue
        if row["rolname"] == service.owner and row["identity"] in ADVISORY_LOCKS:
            continue
        await session.change(
            f"{service.database}: rights of {row['rolname']} on {row['type']} {row['identity']} revoked",
            f"REVOKE ALL ON {kind} {row['identity']} FROM {identifier(row['rolname'])} CASCADE",
        )


def identifier_of(schema: str) -> str:
    """A schema's name as pg_identify_object spells it: quoted only where it must be."""
    plain = schema.isascii() and schema.replace("_", "a").isalnum() and schema == schema.lower()
    return schema if plain and not schema[0].isdigit() else identifier(schema)
