"""Inside a service's database: schema, extensions, default privileges, and functions that the service may not call."""

from quartet.errors import ServerFailed
from quartet.provision.drift import ensure_ownership, revoke_unplanned_grants
from quartet.provision.plan import (
    ADVISORY_LOCKS,
    FORBIDDEN_EXTENSIONS,
    OPTIONAL_EXTENSIONS,
    REQUIRED_EXTENSIONS,
    Plan,
    ServicePlan,
)
from quartet.provision.session import Session, identifier

DEFAULT_PRIVILEGES = {
    "r": ("TABLES", ("DELETE", "INSERT", "SELECT", "UPDATE")),
    "S": ("SEQUENCES", ("SELECT", "USAGE")),
}
"""Privileges of the runtime role on each table and sequence that the owner role creates."""

LARGE_OBJECT_MAKERS = ("lo_creat(integer)", "lo_create(oid)", "lo_from_bytea(oid,bytea)")
"""Functions by which a role without CREATE could still fill the disk."""

_SCHEMA = """
    SELECT r.rolname AS owner FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner
    WHERE n.nspname = $1
"""
_SCHEMA_GRANTS = """
    SELECT n.nspname, coalesce(g.rolname, 'PUBLIC') AS grantee, a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_namespace n
    CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a
    LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.grantee <> n.nspowner
      AND (a.grantee = 0 OR g.rolname = ANY($1))
"""
_EXTENSIONS = """
    SELECT a.name, a.installed_version FROM pg_catalog.pg_available_extensions a
"""
_DEFAULT_GRANTS = """
    SELECT r.rolname AS maker, coalesce(n.nspname, '') AS schema, d.defaclobjtype::text AS kind,
           coalesce(g.rolname, 'PUBLIC') AS grantee, a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_default_acl d
    JOIN pg_catalog.pg_roles r ON r.oid = d.defaclrole
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) a
    LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
    WHERE d.defaclobjtype IN ('r', 'S', 'n') AND a.grantee <> d.defaclrole
      AND (a.grantee = 0 OR g.rolname = ANY($1))
"""
_LOCK_GRANTS = """
    SELECT p.oid::pg_catalog.regprocedure::text AS routine, coalesce(g.rolname, 'PUBLIC') AS grantee
    FROM pg_catalog.pg_proc p
    CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
    LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
    WHERE p.oid = ANY($1::pg_catalog.regprocedure[]::oid[]) AND a.grantee <> p.proowner
"""
_OPEN_TO_ALL = """
    SELECT p.oid::pg_catalog.regprocedure::text AS routine
    FROM pg_catalog.pg_proc p
    WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
      AND EXISTS (SELECT FROM pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
                  WHERE a.grantee = 0)
      AND (p.oid = ANY($1::pg_catalog.regprocedure[]::oid[])
           OR EXISTS (SELECT FROM pg_catalog.pg_init_privs i
                      WHERE i.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND i.objoid = p.oid
                        AND i.privtype = 'i'
                        AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(i.initprivs) a WHERE a.grantee = 0)))
"""


async def ensure_contents(session: Session, plan: Plan, *, service: ServicePlan) -> None:
    """Bring the inside of one database to the plan, within the caller's transaction."""
    await _ensure_schema(session, service)
    await _ensure_schema_grants(session, plan, service=service)
    await _ensure_extensions(session, service)
    await _ensure_default_privileges(session, plan, service=service)
    await _close_routines(session)
    await _ensure_advisory_locks(session, service)
    await ensure_ownership(session, service)
    await revoke_unplanned_grants(session, plan, service=service)


async def _ensure_schema(session: Session, service: ServicePlan) -> None:
    schema, owner = identifier(service.schema), identifier(service.owner)
    present = await session.value(_SCHEMA, service.schema)
    if present is None:
        await session.change(
            f"{service.database}: schema {service.schema} created",
            f"CREATE SCHEMA {schema} AUTHORIZATION {owner}",
        )
    elif present != service.owner:
        await session.change(
            f"{service.database}: schema {service.schema}: owner {present} → {service.owner}",
            f"ALTER SCHEMA {schema} OWNER TO {owner}",
        )


async def _ensure_schema_grants(session: Session, plan: Plan, *, service: ServicePlan) -> None:
    wanted = (service.schema, service.user, "USAGE", False)
    held = {tuple(row.values()) for row in await session.rows(_SCHEMA_GRANTS, list(plan.roles))}
    for schema, grantee, privilege, is_grantable in sorted(held - {wanted}):
        told = f"{service.database}: {privilege} of {grantee} on schema {schema} revoked"
        target = "PUBLIC" if grantee == "PUBLIC" else identifier(grantee)
        await session.change(told, f"REVOKE {privilege} ON SCHEMA {identifier(schema)} FROM {target} CASCADE")
        if (schema, grantee, privilege) == wanted[:3] and is_grantable:
            held.discard(wanted)
    if wanted not in held:
        await session.change(
            f"{service.database}: USAGE of {service.user} on schema {service.schema} granted",
            f"GRANT USAGE ON SCHEMA {identifier(service.schema)} TO {identifier(service.user)}",
        )


async def _ensure_extensions(session: Session, service: ServicePlan) -> None:
    found = {row["name"]: row["installed_version"] for row in await session.rows(_EXTENSIONS)}
    missing = [name for name in REQUIRED_EXTENSIONS if name not in found]
    if missing:
        raise ServerFailed(
            f"this PostgreSQL lacks the extension {', '.join(missing)}: install its contrib package"
            " (postgresql-contrib), or unset PG_BINDIR"
        )
    for name in (*REQUIRED_EXTENSIONS, *OPTIONAL_EXTENSIONS):
        if name in found and found[name] is None:
            await session.change(
                f"{service.database}: extension {name} installed",
                f"CREATE EXTENSION {identifier(name)} WITH SCHEMA {identifier(service.schema)}",
            )
    for name in FORBIDDEN_EXTENSIONS:
        if found.get(name) is not None:
            await session.change(
                f"{service.database}: extension {name} removed", f"DROP EXTENSION {identifier(name)} CASCADE"
            )


async def _ensure_default_privileges(session: Session, plan: Plan, *, service: ServicePlan) -> None:
    expected = {
        (service.owner, service.schema, kind, service.user, privilege, False)
        for kind, (_, privileges) in DEFAULT_PRIVILEGES.items()
        for privilege in privileges
    }
    held = {tuple(row.values()) for row in await session.rows(_DEFAULT_GRANTS, list(plan.roles))}
    words = {"r": "TABLES", "S": "SEQUENCES", "n": "SCHEMAS"}
    for maker, schema, kind, grantee, privilege, _ in sorted(held - expected):
        place = f" IN SCHEMA {identifier(schema)}" if schema else ""
        target = "PUBLIC" if grantee == "PUBLIC" else identifier(grantee)
        await session.change(
            f"{service.database}: default {privilege} on {words[kind].lower()} of {maker} for {grantee} revoked",
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {identifier(maker)}{place} REVOKE {privilege} ON {words[kind]} FROM {target}",
        )
    kept = (
        held & expected if held <= expected else set()
    )  # the revocations above may have removed some of them
    for kind, (word, privileges) in DEFAULT_PRIVILEGES.items():
        lacking = {entry[4] for entry in expected - kept if entry[2] == kind}
        if lacking:
            await session.change(
                f"{service.database}: default privileges of {service.user} on {word.lower()} set",
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {identifier(service.owner)} IN SCHEMA {identifier(service.schema)}"
                f" GRANT {', '.join(privileges)} ON {word} TO {identifier(service.user)}",
            )


async def _close_routines(session: Session) -> None:
    """Revoke from PUBLIC the makers of large objects, and functions that PostgreSQL keeps for superusers (pg_read_file, …)."""
    makers = [f"pg_catalog.{name}" for name in LARGE_OBJECT_MAKERS]
    for row in await session.rows(_OPEN_TO_ALL, makers):
        routine = row["routine"]
        await session.change(
            f"{session.database}: EXECUTE on {routine} of PUBLIC revoked",
            f"REVOKE EXECUTE ON FUNCTION {routine} FROM PUBLIC",
        )


async def _ensure_advisory_locks(session: Session, service: ServicePlan) -> None:
    """Only the owner role takes advisory locks."""
    held: dict[str, set[str]] = {}
    for row in await session.rows(_LOCK_GRANTS, list(ADVISORY_LOCKS)):
        held.setdefault(row["routine"], set()).add(row["grantee"])
    for routine in (name.removeprefix("pg_catalog.") for name in ADVISORY_LOCKS):
        grantees = held.get(routine, set())
        for grantee in sorted(grantees - {service.owner}):
            target = "PUBLIC" if grantee == "PUBLIC" else identifier(grantee)
            await session.change(
                f"{service.database}: EXECUTE on {routine} of {grantee} revoked",
                f"REVOKE EXECUTE ON FUNCTION pg_catalog.{routine} FROM {target}",
            )
        if service.owner not in grantees:
            await session.change(
                f"{service.database}: EXECUTE on {routine} granted to {service.owner}",
                f"GRANT EXECUTE ON FUNCTION pg_catalog.{routine} TO {identifier(service.owner)}",
            )
