"""Panels of Grafana's boards, and their places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "prometheus"}
COLUMNS = 24

Query = tuple[str, str]
"""PromQL, and what the series is called."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel before it has a place; `options` is Grafana's own, `field` the settings of all its series."""

    kind: str
    title: str
    description: str
    queries: Sequence[Query]
    width: int
    height: int
    field: dict[str, Any]
    options: dict[str, Any]

    def as_json(self, number: int, *, x: int, y: int) -> dict[str, Any]:
        """The panel at a place of the grid."""
        instant = self.kind == "stat"
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": self.field, "overrides": []},
            "options": self.options,
            "targets": [
                {
                    "refId": chr(ord("A") + place),
                    "datasource": SOURCE,
                    "expr": expression,
                    "legendFormat": legend,
                    "instant": instant,
                    "range": not instant,
                }
                for place, (expression, legend) in enumerate(self.queries)
            ],
        }


def stat(
    title: str,
    expression: str,
    description: str,
    *,
    unit: str = "short",
    red_from: float | None = None,
    red_below: float | None = None,
    words: dict[str, str] | None = None,
) -> Panel:
    """One large number, red from or below a limit; `words` replace values."""
    steps: list[dict[str, Any]] = [{"color": "text", "value": None}]
    if red_from is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": red_from}]
    if red_below is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": red_below}]
    mappings = [
        {"type": "value", "options": {value: {"text": text} for value, text in (words or {}).items()}}
    ]
    return Panel(
        kind="stat",
        title=title,
        description=description,
        queries=[(expression, "")],
        width=4,
        height=4,
        field={
            "unit": unit,
            "noValue": "no data",
            "mappings": mappings if words else [],
            "thresholds": {"mode": "absolute", "steps": steps},
        },
        options={
            "colorMode": "value" if red_from is None and red_below is None else "background",
            "graphMode": "none",
            "justifyMode": "center",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    )


def timeline(*queries: Query) -> Panel:
    """Bands over time: 0 is bad, 1 is good, 2 is an alert."""
    colours = {"0": ("no", "red"), "1": ("yes", "green"), "2": ("firing", "red")}
    words = {value: {"text": text, "color": colour} for value, (text, colour) in colours.items()}
    return Panel(
        kind="state-timeline",
        title="Since when",
        description="A red band begins when the thing did.",
        queries=queries,
        width=COLUMNS,
        height=6,
        field={"mappings": [{"type": "value", "options": words}], "custom": {"fillOpacity": 80}},
        options={
            "showValue": "never",
            "mergeValues": True,
            "legend": {"displayMode": "list", "placement": "bottom"},
        },
    )


def graph(title: str, description: str, *queries: Query, unit: str = "short", width: int = 8) -> Panel:
    """Lines over time."""
    return Panel(
        kind="timeseries",
        title=title,
        description=description,
        queries=queries,
        width=width,
        height=7,
        field={"unit": unit, "min": 0, "custom": {"fillOpacity": 10, "showPoints": "never"}},
        options={
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )


def rate(metric: str, selector: str, *, by: str) -> str:
    """Events a second."""
    return f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))"


def quantile(share: float, selector: str, *, by: str = "") -> str:
    """The time within which this share of requests was answered."""
    labels = f"le, {by}" if by else "le"
    buckets = rate("http_request_duration_seconds_bucket", selector, by=labels)
    return f"histogram_quantile({share}, {buckets})"


def firing(job: str) -> Query:
    """The alerts of a job, for the timeline."""
    return f'2 * max by (alertname) (ALERTS{{job="{job}", alertstate="firing"}})', "{{alertname}}"


def board(name: str, title: str, panels: Sequence[Panel]) -> dict[str, Any]:
    """A board with its panels from left to right, row by row."""
    return {
        "uid": f"quartet-{name}",
        "title": title,
        "tags": ["quartet"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "timezone": "browser",
        "graphTooltip": 1,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [
            {
                "type": "dashboards",
                "title": "Other boards",
                "tags": ["quartet"],
                "asDropdown": False,
                "includeVars": False,
                "keepTime": True,
                "targetBlank": False,
                "icon": "external link",
                "tooltip": "",
                "url": "",
            }
        ],
        "annotations": {"list": []},
        "templating": {"list": []},
        "panels": list(_placed(panels)),
    }


def _placed(panels: Sequence[Panel]) -> Iterator[dict[str, Any]]:
    x = y = row_height = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        yield panel.as_json(number, x=x, y=y)
        x, row_height = x + panel.width, max(row_height, panel.height)
