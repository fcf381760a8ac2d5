"""Grafana's boards and Prometheus' rules ask for what our programs tell, and for nothing else."""

import json
import re

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are one more dependency for these few lines
from deploy.grafana.make_boards import as_text, boards

from quartet.settings.catalogue import known_settings
from tests.deploy.exposed import (
    ADDED,
    BOARDS,
    JOBS,
    ROOT,
    SYNTHETIC,
    Asked,
    alerts,
    asked_by_boards,
    asked_by_rules,
    exposed_by,
    exposed_by_backup,
    make_services,
    routes_of,
)
from tests.deploy.promql import names_of

ASKED = [*asked_by_boards(), *asked_by_rules()]


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, set[str]]]:
    """The metrics of each job with their labels."""
    found = {name: exposed_by(service) for name, service in make_services().items()}
    return found | {"backup": exposed_by_backup()}


@pytest.fixture(scope="module")
def routes() -> dict[str, set[str]]:
    """The routes of each service."""
    return {name: routes_of(service) for name, service in make_services().items()}


def job_of(asked: Asked) -> str | None:
    """The job that an expression is about, if it names one."""
    jobs = set(re.findall(r'job="(\w+)"', asked.expression))
    assert len(jobs) <= 1, asked
    return jobs.pop() if jobs else None


def faults_of(asked: Asked, told: dict[str, dict[str, set[str]]]) -> list[str]:
    """The metrics and labels of an expression that do not exist."""
    named, job = names_of(asked.expression), job_of(asked)
    known = [SYNTHETIC, told[job]] if job else [SYNTHETIC, *told.values()]
    found = [] if named.metrics else ["no metric"]
    labels: set[str] = ADDED | named.made
    for metric, selected in named.metrics.items():
        holders = [each[metric] for each in known if metric in each]
        found += [] if holders else [metric]
        own = ADDED.union(*holders)
        found += sorted(f"{metric}{{{label}}}" for label in selected - own)
        labels |= own
    found += sorted(named.grouping - labels)
    shown = set(re.findall(r"{{(\w+)}}", asked.legend))
    return found + sorted(shown - (named.grouping or labels))


def test_every_metric_and_label_exists(told: dict[str, dict[str, set[str]]]) -> None:
    faults = {asked.place: faults_of(asked, told) for asked in ASKED}
    assert {place: found for place, found in faults.items() if found} == {}


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("sum(http_request_total)", "http_request_total"),
        ('http_requests_total{job="auth", path="/"}', "http_requests_total{path}"),
        ('auth_mails_pending{job="l2p"}', "auth_mails_pending"),
        ("sum by (path) (up)", "path"),
    ],
)
def test_what_nobody_tells_is_noticed(
    expression: str, fault: str, told: dict[str, dict[str, set[str]]]
) -> None:
    assert faults_of(Asked("wrong", expression), told) == [fault]


def test_every_route_that_is_asked_for_exists(routes: dict[str, set[str]]) -> None:
    for asked in ASKED:
        there = routes.get(job_of(asked) or "", set.intersection(*routes.values()))
        for operator, value in names_of(asked.expression).routes:
            if operator in ("=", "!="):
                assert value in there, asked
            else:  # each alternative has to find some
                for pattern in [value] if "(" in value else value.split("|"):
                    assert any(re.fullmatch(pattern, route) for route in there), asked


def test_the_names_in_an_expression_are_found() -> None:
    named = names_of(
        'histogram_quantile(0.95, sum by (le, route) (rate(a_bucket{job="x", route!~"/y|/z{id}"}[5m]))) > bool 0'
        " or vector(0) / on (instance) group_left () b_total unless c offset 5m"
    )
    assert named.metrics == {"a_bucket": {"job", "route"}, "b_total": set(), "c": set()}
    assert named.grouping == {"le", "route", "instance"}
    assert named.routes == (("!~", "/y|/z{id}"),)


def test_the_boards_are_those_that_are_written_in_python() -> None:
    written = {name: as_text(board) for name, board in boards().items()}
    assert {path.stem: path.read_text() for path in BOARDS} == written, (
        "run `python -m deploy.grafana.make_boards`"
    )


@pytest.mark.parametrize("name", [path.stem for path in BOARDS])
def test_a_boards_first_row_answers_what_one_who_is_woken_asks(name: str) -> None:
    panels = json.loads((ROOT / f"deploy/grafana/boards/{name}.json").read_text())["panels"]
    first = [panel["title"] for panel in panels if panel["gridPos"]["y"] == 0]
    expected = ["Up", "Ready", "Failing", "Slow", "Alerts", "Started"]
    if name == "postgres":
        expected = ["PostgreSQL", "Backups run", "Connections", "Newest backup", "WAL behind", "Alerts"]
    assert first == expected
    assert panels[len(first)]["title"] == "Since when"


@pytest.mark.parametrize("name", [path.stem for path in BOARDS])
def test_a_boards_panels_do_not_overlap_and_have_the_source_that_is_provisioned(name: str) -> None:
    provisioned = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yaml").read_text()
    )
    board = json.loads((ROOT / f"deploy/grafana/boards/{name}.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        sources = {panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in panel["targets"])}
        assert sources == {provisioned["datasources"][0]["uid"]}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_prometheus_asks_each_program_where_it_listens_in_containers() -> None:
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs}
    settings = {setting.name: setting.default for setting in known_settings()}
    assert targets == {job: [f"{job}:{settings[f'{job.upper()}_PORT']}"] for job in JOBS}


def test_every_alert_says_what_happened_and_what_to_do_and_the_page_has_it() -> None:
    page = (ROOT / "docs/observability.md").read_text()
    for rule in alerts():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "description"}
        assert f"| {rule['alert']} |" in page
