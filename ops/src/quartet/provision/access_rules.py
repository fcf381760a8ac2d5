"""pg_hba.conf, the second line of defence: a line for each database and role, one for replication, a refusal for the rest.

If CONNECT were granted to everybody by mistake, a role still could not connect to the database of another.
"""

from quartet.provision.plan import Plan

HEADER = """\
# Made by `quartet` from the plan of roles and databases: change the plan, not this file.
# TYPE  DATABASE  USER  ADDRESS  METHOD
"""


def embedded_access_rules(plan: Plan) -> str:
    """For the embedded server: loopback only, and a password for everyone, since the machine may have other users."""
    return _rules(plan, address="127.0.0.1/32", local_superuser="scram-sha-256")


def container_access_rules(plan: Plan) -> str:
    """For the server in a container: its own socket trusts the superuser; everything else needs a password."""
    return _rules(plan, address="all", local_superuser="trust")


def _rules(plan: Plan, *, address: str, local_superuser: str) -> str:
    lines = [
        f"local  all  postgres  {local_superuser}",
        f"host   all  postgres  {address}  scram-sha-256",
    ]
    for service in plan:
        lines += [
            f'host   "{service.database}"  "{role}"  {address}  scram-sha-256'
            for role in (service.user, service.owner, plan.backup_user)
        ]
    lines.append(f'host   replication  "{plan.backup_user}"  {address}  scram-sha-256')
    lines += ["local  all  all  reject", "host   all  all  all  reject"]
    return HEADER + "\n".join(lines) + "\n"
