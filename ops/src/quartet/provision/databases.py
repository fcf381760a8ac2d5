"""The databases: created for their owners, open only to the service's own two roles and to backups."""

from collections import defaultdict

import asyncpg

from quartet.provision.plan import Plan
from quartet.provision.session import Session, identifier

CLOSED = ("postgres", "template0", "template1")
PUBLIC = "PUBLIC"
_DATABASES = """
    SELECT d.datname, r.rolname AS owner, d.datconnlimit, d.datallowconn, d.datistemplate,
           pg_catalog.pg_encoding_to_char(d.encoding) AS encoding
    FROM pg_catalog.pg_database d JOIN pg_catalog.pg_roles r ON r.oid = d.datdba
"""
_GRANTS = """
    SELECT d.datname, coalesce(g.rolname, 'PUBLIC') AS grantee, a.privilege_type, a.is_grantable,
           a.grantee = d.datdba AS is_owner
    FROM pg_catalog.pg_database d
    CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
    LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
    WHERE d.datname = ANY($1) AND (a.grantee = 0 OR g.rolname = ANY($2))
"""
_SHARED_GRANTS = """
    SELECT r.rolname, o.type, o.identity
    FROM pg_catalog.pg_shdepend s
    JOIN pg_catalog.pg_roles r ON r.oid = s.refobjid
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(s.classid, s.objid, 0) o
    WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.deptype = 'a' AND s.dbid = 0
      AND r.rolname = ANY($1) AND o.type IN ('tablespace', 'parameter ACL')
"""


async def ensure_databases(session: Session, plan: Plan) -> None:
    """Create missing databases, correct owners, and leave exactly the planned grants."""
    found = {row["datname"]: row for row in await session.rows(_DATABASES)}
    for service in plan:
        await _ensure_database(
            session, service.database, found=found.get(service.database), owner=service.owner
        )
    async with session.connection.transaction():  # a grant is never missing in between
        await _ensure_grants(session, plan)
    await _revoke_shared(session, plan)


async def _ensure_database(session: Session, name: str, *, found: asyncpg.Record | None, owner: str) -> None:
    if found is None:
        await session.change(
            f"database {name} created",
            f"CREATE DATABASE {identifier(name)} OWNER {identifier(owner)}"
            " TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'",
        )
        return
    if found["owner"] != owner:
        await session.change(
            f"database {name}: owner {found['owner']} → {owner}",
            f"ALTER DATABASE {identifier(name)} OWNER TO {identifier(owner)}",
        )
    if (found["datconnlimit"], found["datallowconn"], found["datistemplate"]) != (-1, True, False):
        await session.change(
            f"database {name}: connections allowed again, no template",
            f"ALTER DATABASE {identifier(name)} WITH CONNECTION LIMIT -1 ALLOW_CONNECTIONS true IS_TEMPLATE false",
        )


async def _ensure_grants(session: Session, plan: Plan) -> None:
    """Let each role connect to its own database only, backups to all four, and PUBLIC to none. Other grantees are left alone."""
    names = [*CLOSED, *(service.database for service in plan)]
    held: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in await session.rows(_GRANTS, names, list(plan.roles)):
        if not row["is_owner"]:
            suffix = " WITH GRANT OPTION" if row["is_grantable"] else ""
            held[row["datname"]][row["grantee"]].add(row["privilege_type"] + suffix)
    admitted = {service.database: (service.user, plan.backup_user) for service in plan}
    for database in names:
        users = admitted.get(database, ())
        for grantee, privileges in held[database].items():
            if grantee in users and privileges == {"CONNECT"}:
                continue
            await session.change(
                f"database {database}: {', '.join(sorted(privileges))} of {grantee} revoked",
                f"REVOKE ALL ON DATABASE {identifier(database)} FROM {_grantee(grantee)} CASCADE",
            )
        for user in users:
            if held[database].get(user) != {"CONNECT"}:
                await session.change(
                    f"database {database}: CONNECT granted to {user}",
                    f"GRANT CONNECT ON DATABASE {identifier(database)} TO {identifier(user)}",
                )
    await _restore_owners_rights(session, plan)


async def _restore_owners_rights(session: Session, plan: Plan) -> None:
    rows = await session.rows(_GRANTS, [service.database for service in plan], list(plan.roles))
    for service in plan:
        own = {
            row["privilege_type"] for row in rows if row["is_owner"] and row["datname"] == service.database
        }
        if not own >= {"CONNECT", "CREATE", "TEMPORARY"}:
            await session.change(
                f"database {service.database}: its owner's rights restored",
                f"GRANT ALL ON DATABASE {identifier(service.database)} TO {identifier(service.owner)}",
            )


async def _revoke_shared(session: Session, plan: Plan) -> None:
    """Revoke grants on tablespaces, and on parameters by which a role could lift its own limits."""
    for row in await session.rows(_SHARED_GRANTS, list(plan.roles)):
        kind = "PARAMETER" if row["type"] == "parameter ACL" else "TABLESPACE"
        await session.change(
            f"role {row['rolname']}: rights on {kind.lower()} {row['identity']} revoked",
            f"REVOKE ALL ON {kind} {row['identity']} FROM {identifier(row['rolname'])} CASCADE",
        )


def _grantee(name: str) -> str:
    return PUBLIC if name == PUBLIC else identifier(name)
