"""The nine roles: attributes, limits, passwords, settings, memberships. Shared by all databases of a server."""

from collections.abc import Mapping

import asyncpg

from quartet.provision.plan import BACKUP_CONNECTIONS, RUNTIME_DEFAULTS, RUNTIME_WALLS, Plan, ServicePlan
from quartet.provision.scram import make_verifier, matches
from quartet.provision.session import Session, identifier, literal

ATTRIBUTES = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT"
BACKUP_ATTRIBUTES = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE REPLICATION NOBYPASSRLS INHERIT"
READERS = "pg_read_all_data"
EXPECTED_FLAGS = {
    "rolcanlogin": True,
    "rolsuper": False,
    "rolcreatedb": False,
    "rolcreaterole": False,
    "rolreplication": False,
    "rolbypassrls": False,
    "rolinherit": False,
}
BACKUP_FLAGS = EXPECTED_FLAGS | {"rolreplication": True, "rolinherit": True}
_ROLES = """
    SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolinherit,
           rolconnlimit, rolpassword, coalesce(rolvaliduntil, 'infinity') <> 'infinity' AS expires
    FROM pg_catalog.pg_authid WHERE rolname = ANY($1)
"""
_MEMBERSHIPS = """
    SELECT granted.rolname AS granted, member.rolname AS member, grantor.rolname AS grantor
    FROM pg_catalog.pg_auth_members m
    JOIN pg_catalog.pg_roles granted ON granted.oid = m.roleid
    JOIN pg_catalog.pg_roles member ON member.oid = m.member
    LEFT JOIN pg_catalog.pg_roles grantor ON grantor.oid = m.grantor
    WHERE granted.rolname = ANY($1) OR member.rolname = ANY($1)
"""
_SETTINGS = """
    SELECT r.rolname, coalesce(d.datname, '') AS datname, s.setconfig
    FROM pg_catalog.pg_db_role_setting s
    JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
    LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    WHERE r.rolname = ANY($1)
"""


async def ensure_roles(session: Session, plan: Plan) -> None:
    """Make or mend every role of the plan, and take it out of every group but the one that backups read by."""
    found = {row["rolname"]: row for row in await session.rows(_ROLES, list(plan.roles))}
    for service in plan:
        for name, password, limit in (
            (service.owner, service.owner_password, service.owner_connections),
            (service.user, service.user_password, service.user_connections),
        ):
            await _ensure_role(session, name, found=found.get(name), password=password, limit=limit)
    await _ensure_role(
        session,
        plan.backup_user,
        found=found.get(plan.backup_user),
        password=plan.backup_password,
        limit=BACKUP_CONNECTIONS,
        attributes=BACKUP_ATTRIBUTES,
        flags=BACKUP_FLAGS,
    )
    await _settle_memberships(session, plan)


async def ensure_role_settings(session: Session, plan: Plan) -> None:
    """Set the limits and time-outs of the runtime roles, and nothing else; the databases must be there."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in await session.rows(_SETTINGS, list(plan.roles)):
        pairs = dict(entry.split("=", 1) for entry in row["setconfig"] or ())
        found[row["rolname"], row["datname"]] = pairs
    for service in plan:
        await _ensure_settings(session, service, found=found)
    await _remove_unplanned(session, plan, found=found)


async def move_settings(session: Session, service: ServicePlan, *, previous: str) -> None:
    """Give a runtime role its settings in the database of the plan, which took the place of `previous`: they hang on the
    database itself, not on its name."""
    user = identifier(service.user)
    for name, value in RUNTIME_DEFAULTS.items():
        await session.connection.execute(
            f"ALTER ROLE {user} IN DATABASE {identifier(service.database)} SET {name} = {literal(value)}"
        )
    await session.connection.execute(f"ALTER ROLE {user} IN DATABASE {identifier(previous)} RESET ALL")


async def _ensure_role(
    session: Session,
    name: str,
    *,
    found: asyncpg.Record | None,
    password: str,
    limit: int,
    attributes: str = ATTRIBUTES,
    flags: Mapping[str, bool] = EXPECTED_FLAGS,
) -> None:
    if found is None:
        await session.change(
            f"role {name} created",
            f"CREATE ROLE {identifier(name)} {attributes} CONNECTION LIMIT {limit}"
            f" PASSWORD {literal(make_verifier(password))}",
        )
        return
    wrong = [column for column, expected in flags.items() if found[column] is not expected]
    if found["expires"]:
        wrong.append("rolvaliduntil")
    if wrong:
        await session.change(
            f"role {name}: {', '.join(wrong)} put right",
            f"ALTER ROLE {identifier(name)} {attributes} VALID UNTIL 'infinity'",
        )
    if found["rolconnlimit"] != limit:
        await session.change(
            f"role {name}: connection limit {found['rolconnlimit']} → {limit}",
            f"ALTER ROLE {identifier(name)} CONNECTION LIMIT {limit}",
        )
    if not matches(password, verifier=found["rolpassword"]):
        await session.change(
            f"role {name}: password rotated",
            f"ALTER ROLE {identifier(name)} PASSWORD {literal(make_verifier(password))}",
        )


async def _settle_memberships(session: Session, plan: Plan) -> None:
    """Nobody acts as another: neither predefined roles nor one of ours for another. Backups read by `READERS` alone."""
    major = session.connection.get_server_version().major
    is_reader = False
    for row in await session.rows(_MEMBERSHIPS, list(plan.roles)):
        if (row["granted"], row["member"]) == (READERS, plan.backup_user):
            is_reader = True
            continue
        statement = f"REVOKE {identifier(row['granted'])} FROM {identifier(row['member'])}"
        if major >= 16 and row["grantor"]:  # from 16 on each grantor's grant stands for itself
            statement += f" GRANTED BY {identifier(row['grantor'])}"
        await session.change(
            f"role {row['member']}: membership in {row['granted']} revoked", f"{statement} CASCADE"
        )
    if not is_reader:
        await session.change(
            f"role {plan.backup_user}: membership in {READERS} granted",
            f"GRANT {READERS} TO {identifier(plan.backup_user)}",
        )


async def _ensure_settings(
    session: Session, service: ServicePlan, *, found: dict[tuple[str, str], dict[str, str]]
) -> None:
    role = f"ALTER ROLE {identifier(service.user)}"
    for scope, database, expected in (
        (f"{role} SET", "", RUNTIME_WALLS),
        (f"{role} IN DATABASE {identifier(service.database)} SET", service.database, RUNTIME_DEFAULTS),
    ):
        present = found.get((service.user, database), {})
        for name, value in expected.items():
            if present.get(name) != value:
                await session.change(
                    f"role {service.user}: {name} {present.get(name, 'unset')} → {value}",
                    f"{scope} {name} = {literal(value)}",
                )


async def _remove_unplanned(
    session: Session, plan: Plan, *, found: dict[tuple[str, str], dict[str, str]]
) -> None:
    """A role may give itself settings, such as a search_path that leads past its tables: only the plan's stay."""
    planned: dict[tuple[str, str], dict[str, str]] = {}
    for service in plan:
        planned[service.user, ""] = RUNTIME_WALLS
        planned[service.user, service.database] = RUNTIME_DEFAULTS
    for (role, database), present in found.items():
        for name in sorted(present.keys() - planned.get((role, database), {}).keys()):
            inside, place = "", ""
            if database:
                inside, place = f" inside {database}", f" IN DATABASE {identifier(database)}"
            setting = ".".join(identifier(part) for part in name.split("."))
            await session.change(
                f"role {role}: {name}{inside} removed",
                f"ALTER ROLE {identifier(role)}{place} RESET {setting}",
            )
