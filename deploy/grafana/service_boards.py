"""The boards of the services. All begin alike, so that whoever is woken finds the same answers in the same places."""

from collections.abc import Sequence
from typing import Any

from deploy.grafana.panels import Panel, board, firing, graph, quantile, rate, stat, timeline

QUIET = "/readyz|/livez|/health|/metrics"
"""Routes that machines ask: they are no traffic."""


def first_answers(job: str) -> list[Panel]:
    """Is it up, is it failing, is it slow, since when: of any service."""
    traffic = f'job="{job}", route!~"{QUIET}"'
    every = f"sum(rate(http_requests_total{{{traffic}}}[5m]))"
    errors = f'{traffic}, status=~"5.."'
    failed = f"sum(rate(http_requests_total{{{errors}}}[5m]))"
    buckets = f"sum by (le) (rate(http_request_duration_seconds_bucket{{{traffic}}}[5m]))"
    ready = f'sum(increase(http_requests_total{{job="{job}", route="/readyz", status="200"}}[1m])) > bool 0'
    return [
        stat(
            "Up",
            f'min(up{{job="{job}"}})',
            "Whether Prometheus reaches it.",
            red_below=1,
            words={"0": "DOWN", "1": "up"},
        ),
        stat(
            "Ready",
            ready,
            "Whether /readyz said so to whoever asked in the last minute.",
            red_below=1,
            words={"0": "NOT READY", "1": "ready"},
        ),
        stat(
            "Failing",
            f"(({failed}) or vector(0)) / ({every} > 0) or vector(0)",
            "Share of answers with 5xx, five minutes.",
            unit="percentunit",
            red_from=0.05,
        ),
        stat(
            "Slow",
            f"histogram_quantile(0.95, {buckets}) > 0",
            "19 of 20 answers are faster, five minutes.",
            unit="s",
            red_from=1,
        ),
        stat(
            "Alerts",
            f'count(ALERTS{{job="{job}", alertstate="firing"}}) or vector(0)',
            "Firing now; docs/observability.md says what to do.",
            red_from=1,
        ),
        stat(
            "Started",
            f'max(process_start_time_seconds{{job="{job}"}}) * 1000',
            "When its newest process began.",
            unit="dateTimeFromNow",
        ),
        timeline((f'min(up{{job="{job}"}})', "up"), (ready, "ready"), firing(job)),
        graph(
            "Requests",
            "By the first digit of the status.",
            (
                f'sum by (class) (label_replace(rate(http_requests_total{{{traffic}}}[$__rate_interval]), "class", "${{1}}xx", "status", "(.).*"))',
                "{{class}}",
            ),
            unit="reqps",
        ),
        graph(
            "Time of answers",
            "Half, 19 of 20, and 99 of 100 are faster.",
            *((quantile(share, traffic), f"{share:.0%}") for share in (0.5, 0.95, 0.99)),
            unit="s",
        ),
        graph(
            "Errors by route",
            "Answers with 5xx.",
            (
                f"topk(10, {rate('http_requests_total', errors, by='method, route, status')})",
                "{{status}} {{method}} {{route}}",
            ),
            unit="reqps",
        ),
    ]


def inner_life(job: str) -> list[Panel]:
    """Routes, the pool and the process: of any service."""
    own, traffic = f'job="{job}"', f'job="{job}", route!~"{QUIET}"'
    return [
        graph(
            "Busiest routes",
            "Requests a second.",
            (f"topk(10, {rate('http_requests_total', traffic, by='method, route')})", "{{method}} {{route}}"),
            unit="reqps",
            width=12,
        ),
        graph(
            "Slowest routes",
            "19 of 20 answers are faster.",
            (f"topk(10, {quantile(0.95, traffic, by='method, route')})", "{{method}} {{route}}"),
            unit="s",
            width=12,
        ),
        graph(
            "Connections to the database",
            "Requests wait when those in use reach the maximum.",
            (f"sum by (state) (db_pool_connections{{{own}}})", "{{state}}"),
            (f"sum(db_pool_max_connections{{{own}}})", "maximum"),
            (f"sum(db_pool_waiting_requests{{{own}}})", "requests that wait"),
        ),
        graph(
            "Waits for a connection",
            "How many requests waited, and how long 19 of 20 did.",
            (f"sum(rate(db_pool_wait_seconds_count{{{own}}}[$__rate_interval]))", "waits a second"),
            (
                f"histogram_quantile(0.95, {rate('db_pool_wait_seconds_bucket', own, by='le')}) > 0",
                "seconds, 95%",
            ),
        ),
        graph(
            "Memory",
            "Of each process.",
            (f"process_resident_memory_bytes{{{own}}}", "{{instance}}"),
            unit="bytes",
            width=4,
        ),
        graph(
            "Processor",
            "Cores in use.",
            (f"rate(process_cpu_seconds_total{{{own}}}[$__rate_interval])", "{{instance}}"),
            width=4,
        ),
    ]


def answers(title: str, description: str, selector: str) -> Panel:
    """Answers of some routes by status."""
    return graph(
        title, description, (rate("http_requests_total", selector, by="status"), "{{status}}"), unit="reqps"
    )


def service_board(job: str, title: str, own: Sequence[Panel]) -> dict[str, Any]:
    """A service's board: first answers, its own numbers, its inner life."""
    return board(job, title, [*first_answers(job), *own, *inner_life(job)])


AUTH = [
    answers(
        "Sign-ins",
        "200: signed in or asked for the second factor; 401: refused; 429: too many.",
        'job="auth", route="/v1/auth/login"',
    ),
    graph(
        "Sessions",
        "Begun, continued and ended.",
        (
            rate(
                "http_requests_total",
                'job="auth", route=~"/v1/auth/(register|refresh|logout)|/v1/passkeys/login|/oauth2/token"',
                by="route",
            ),
            "{{route}}",
        ),
        unit="reqps",
    ),
    graph(
        "Limited",
        "Answers with 429: somebody tries passwords or addresses.",
        (rate("http_requests_total", 'job="auth", status="429"', by="route"), "{{route}}"),
        unit="reqps",
    ),
    graph("Mails that wait", "Of the whole outbox.", ('max(auth_mails_pending{job="auth"})', "mails")),
    graph(
        "Age of the oldest mail",
        "It grows while the mail server is away.",
        ('max(auth_mails_oldest_pending_seconds{job="auth"})', "age"),
        unit="s",
    ),
    graph(
        "Attempts to send a mail",
        "By outcome.",
        (rate("auth_mail_attempts_total", 'job="auth"', by="outcome"), "{{outcome}}"),
    ),
]

L2P = [
    graph("Sockets", "Open web sockets and event streams.", ('sum(l2p_sockets{job="l2p"})', "sockets")),
    answers(
        "Joining a lobby",
        "200: joined; 403: wrong code; 409: full, or no longer open.",
        'job="l2p", route="/v1/lobbies/{lobby_id}/join"',
    ),
    graph(
        "Lobbies",
        "Made, looked for, looked at, left.",
        (
            rate("http_requests_total", 'job="l2p", route=~"/v1/lobbies.*"', by="method, route"),
            "{{method}} {{route}}",
        ),
        unit="reqps",
    ),
    answers("Sign-ins", "200: signed in; 401: refused; 429: too many.", 'job="l2p", route="/v1/auth/login"'),
]

PAYMENT = [
    answers(
        "Orders",
        "201: placed; 409: out of stock, or the key was used for another order; 422: refused.",
        'job="payment", method="POST", route="/v1/orders"',
    ),
    graph(
        "Time to place an order",
        "Half, and 19 of 20, are faster.",
        *(
            (quantile(share, 'job="payment", method="POST", route="/v1/orders"'), f"{share:.0%}")
            for share in (0.5, 0.95)
        ),
        unit="s",
    ),
    graph(
        "Products",
        "Read and changed.",
        (
            rate("http_requests_total", 'job="payment", route=~"/v1/products.*"', by="method, route"),
            "{{method}} {{route}}",
        ),
        unit="reqps",
    ),
    graph(
        "Calls of Stripe",
        "Done, refused (declines, too), unavailable.",
        (rate("payment_stripe_calls_total", 'job="payment"', by="outcome"), "{{outcome}}"),
        unit="reqps",
    ),
    graph(
        "The books",
        "What the last check found wrong, and orders that wait for an admin.",
        ('sum by (check) (max by (job, check) (payment_check_findings{job="payment"}))', "{{check}}"),
        ('max(payment_orders_flagged{job="payment"})', "flagged orders"),
    ),
    graph(
        "Reconciliation with Stripe",
        "Differences that the last run found: webhooks that did not arrive.",
        ('max(payment_reconciliation_differences{job="payment"})', "differences"),
    ),
    graph(
        "Age of check and reconciliation",
        "Time since the last of each.",
        ('min(payment_check_age_seconds{job="payment"})', "check"),
        ('min(payment_reconciliation_age_seconds{job="payment"})', "reconciliation"),
        unit="s",
    ),
    graph(
        "Events to webhook endpoints",
        "Attempts: delivered, to be tried again, given up.",
        (rate("payment_webhook_attempts_total", 'job="payment"', by="outcome"), "{{outcome}}"),
        unit="reqps",
    ),
    graph(
        "Webhook endpoints that fail",
        "Nothing has arrived for an hour, or they were disabled for it.",
        ('max(payment_webhook_endpoints_failing{job="payment"})', "endpoints"),
    ),
]

VIDEOVAULT = [
    answers(
        "New videos",
        "201: stored; 409: that file is known; 422: refused.",
        'job="videovault", method="POST", route="/v1/videos"',
    ),
    graph(
        "Time of lists",
        "Half, and 19 of 20, are faster.",
        *(
            (quantile(share, 'job="videovault", method="GET", route="/v1/videos"'), f"{share:.0%}")
            for share in (0.5, 0.95)
        ),
        unit="s",
    ),
    graph(
        "Videos",
        "Listed, read, deleted.",
        (
            rate("http_requests_total", 'job="videovault", route=~"/v1/videos.*"', by="method, route"),
            "{{method}} {{route}}",
        ),
        unit="reqps",
    ),
]
