"""The alerts fire when they should, by Prometheus' own word."""

import subprocess
from pathlib import Path

import yaml  # type: ignore[import-untyped]  # its stubs are one more dependency for these few lines

from tests.deploy.exposed import ROOT, RULES, alerts
from tests.deploy.prometheus import needs_prometheus, program

CASES = Path(__file__).with_name("rules.test.yaml")


def promtool(*arguments: str) -> str:
    done = subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_prometheus
def test_the_configuration_and_the_rules_are_accepted() -> None:
    promtool("check", "config", "--syntax-only", str(ROOT / "deploy/prometheus/prometheus.yml"))
    promtool("check", "rules", "--lint-fatal", *map(str, RULES))


@needs_prometheus
def test_every_alert_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    case = tmp_path / CASES.name
    named = "".join(f"  - {path}\n" for path in RULES)
    case.write_text(f"rule_files:\n{named}{CASES.read_text()}")
    assert "SUCCESS" in promtool("test", "rules", str(case))


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    tried = {
        expected["alertname"]
        for case in yaml.safe_load(CASES.read_text())["tests"]
        for expected in case["alert_rule_test"]
        if expected["exp_alerts"]
    }
    assert tried == {rule["alert"] for rule in alerts()}
