"""pg_hba.conf, as made from the plan."""

from pathlib import Path

from quartet.provision import Plan, container_access_rules, embedded_access_rules

ROOT = Path(__file__).parents[2]


def _lines(rules: str) -> list[list[str]]:
    return [line.split() for line in rules.splitlines() if line and not line.startswith("#")]


def test_embedded_server_wants_a_password_from_everybody() -> None:
    methods = {line[-1] for line in _lines(embedded_access_rules(Plan.generated()))}
    assert methods == {"scram-sha-256", "reject"}


def test_each_role_has_one_line_for_one_database_backups_four_and_the_rest_is_rejected() -> None:
    lines = _lines(embedded_access_rules(Plan.generated()))
    pairs = [(line[1].strip('"'), line[2].strip('"')) for line in lines if line[1].startswith('"')]
    assert sorted(pairs) == sorted(
        (f"{service}_db", role)
        for service in ("auth", "l2p", "payment", "videovault")
        for role in (f"{service}_user", f"{service}_owner", "backup_user")
    )
    assert [line[2] for line in lines if line[1] == "replication"] == ['"backup_user"']
    assert [line[:3] + line[-1:] for line in lines[-2:]] == [
        ["local", "all", "all", "reject"],
        ["host", "all", "all", "reject"],
    ]


def test_containers_file_is_what_the_plan_gives() -> None:
    assert (ROOT / "deploy/postgres/pg_hba.conf").read_text() == container_access_rules(Plan.generated())


def test_containers_own_socket_lets_the_superuser_in() -> None:
    assert _lines(container_access_rules(Plan.generated()))[0] == ["local", "all", "postgres", "trust"]
