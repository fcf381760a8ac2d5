"""Races between two processes of a service, on the stack that `QUARTET_REPLICAS=2 make up` starts.

Most use each process's own address, so that both take part in every race; some use the shared port.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from quartet.provision.plan import SERVICES
from quartet.settings.operator import STRIPE_STANDIN
from standins.openid_provider.provider import Provider
from tests.clients import certificates
from tests.ops.command import wait_until
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, new_person, refresh, register
from tests.services.auth.google.visits import Browser, answer_of, somebody
from tests.services.auth.mail.mails import MailServer, eventually, everything_sent
from tests.services.auth.oidc.standard_client import Attempt, read_page_form
from tests.services.auth.second_factors.factors import ask, finish, new_app, problem
from tests.suite.stack import FIRST_PATHS, NAMES, Pair, Stack

pytestmark = [pytest.mark.long, pytest.mark.database]


@pytest_asyncio.fixture
async def auths(stack: Stack) -> AsyncIterator[Pair]:
    """A client of each process of Auth, without cookies."""
    async with stack.each("auth") as pair:
        yield pair


@pytest.fixture(scope="module")
def database(stack: Stack) -> AuthDatabase:
    """The database of Auth."""
    return stack.database("auth")


async def try_password(client: httpx.AsyncClient, login: str, password: str) -> httpx.Response:
    """A login without a device cookie."""
    client.cookies.clear()
    return await client.post("/v1/auth/login", json={"login": login, "password": password})


# The stack itself.


def test_ps_and_logs_show_each_process(stack: Stack) -> None:
    place = stack.place
    shown = place.quartet_json("ps")["services"]
    assert list(shown) == [*NAMES, STRIPE_STANDIN]
    assert {(each["state"], each["readiness"], each["restarts"]) for each in shown.values()} == {
        ("ready", "ready", 0)
    }
    assert len({each["pid"] for each in shown.values()}) == 9
    assert shown["auth.1"]["url"] == shown["auth.2"]["url"] == f"http://localhost:{place.ports['auth']}"
    assert "all four services are ready, 2 processes each" in stack.running.output
    of_both = place.quartet("logs", "auth").stdout
    assert {line.split()[0] for line in of_both.splitlines()} == {"auth.1", "auth.2"}
    of_one = place.quartet("logs", "auth.2").stdout
    assert {line.split()[0] for line in of_one.splitlines()} == {"auth.2"}


@pytest.mark.parametrize("service", SERVICES)
async def test_both_processes_serve_the_shared_port(stack: Stack, service: str) -> None:
    before = await stack.served(service, "/livez")
    async with stack.shared(service) as client, asyncio.timeout(60):
        while any(
            now == then for now, then in zip(await stack.served(service, "/livez"), before, strict=True)
        ):
            statuses = [(await client.get("/livez")).status_code for _ in range(20)]
            assert statuses == [200] * 20


@pytest.mark.parametrize("service", SERVICES)
async def test_head_has_the_headers_of_get_and_keeps_the_connection_usable(
    stack: Stack, service: str
) -> None:
    one = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(base_url=stack.place.url(service, ""), limits=one) as client:
        for path in (FIRST_PATHS[service], "/openapi.json", "/livez", "/nowhere"):
            request_id = {"X-Request-ID": "one"}
            answer = await client.head(path, headers=request_id)
            whole = await client.get(path, headers=request_id)
            told = [{**response.headers, "date": ""} for response in (answer, whole)]
            assert (answer.status_code, told[0], answer.content) == (whole.status_code, told[1], b"")
            assert whole.content


# Auth.


async def test_fifty_refreshes_at_two_processes_get_one_successor(
    auths: Pair, database: AuthDatabase
) -> None:
    answer = await log_in(auths[0], await register(auths[0]))
    responses = await asyncio.gather(
        *(refresh(auths[number % 2], answer["refresh_token"]) for number in range(50))
    )
    assert Counter(response.status_code for response in responses) == {200: 50}
    successors = {response.json()["refresh_token"] for response in responses}
    assert len(successors) == 1
    rows = await database.fetch(
        "SELECT refresh_token_counter, ended_at FROM sessions WHERE user_id = $1::uuid", answer["user"]["id"]
    )
    assert [tuple(row) for row in rows] == [(1, None)]
    assert (await refresh(auths[1], successors.pop())).status_code == 200


async def test_fifty_refreshes_at_the_shared_port_get_one_successor(
    stack: Stack,
) -> None:
    route = "/v1/auth/refresh"
    before = served = await stack.served("auth", route)
    async with stack.shared("auth") as client, asyncio.timeout(60):
        person = await register(client)
        while served[0] == before[0] or served[1] == before[1]:
            token = (await log_in(client, person))["refresh_token"]
            responses = await asyncio.gather(*(refresh(client, token) for _ in range(50)))
            assert Counter(response.status_code for response in responses) == {200: 50}
            assert len({response.json()["refresh_token"] for response in responses}) == 1
            served = await stack.served("auth", route)


async def test_of_a_hundred_guesses_at_the_shared_port_ten_are_tried(stack: Stack) -> None:
    async with stack.shared("auth") as client:
        person = await register(client)
        answers = await asyncio.gather(*(try_password(client, person.email, "wrong") for _ in range(100)))
    assert Counter(answer.status_code for answer in answers) == {401: 10, 429: 90}


async def test_of_a_hundred_wrong_codes_at_two_processes_ten_are_tried(
    auths: Pair, database: AuthDatabase
) -> None:
    app = await new_app(auths[0])
    tokens = [await ask(auths[0], app.person) for _ in range(4)]
    auths[0].cookies.clear()
    wrong = f"{(int(app.code()) + 7) % 10**6:06}"
    answers = await asyncio.gather(
        *(finish(auths[number % 2], tokens[number % 4], wrong) for number in range(100))
    )
    assert Counter(answer.status_code for answer in answers) == {401: 10, 429: 90}
    right = await finish(auths[1], tokens[0], app.code())
    assert problem(right) == (429, "too-many-attempts")
    assert int(right.headers["retry-after"]) > 800
    recovery = await finish(auths[1], tokens[0], app.recovery_codes[0])
    assert problem(recovery) == (429, "too-many-attempts")
    failures = "SELECT count(*) FROM audit_events WHERE event = 'login_failed' AND user_id = $1::uuid"
    assert await database.fetch_value(failures, app.user_id) == 10


async def test_a_sign_in_started_at_one_process_is_completed_at_the_other_once(auths: Pair) -> None:
    one, other = auths
    person, attempt = await register(one), Attempt()
    page = await attempt.open_page(one)
    _, fields = read_page_form(page.text)
    landed = await other.post(
        "/oauth2/sign-in",
        data={**fields, "login": person.email, "password": person.password, "decision": "allow"},
        headers={"cookie": f"auth_sign_in={one.cookies['auth_sign_in']}"},
    )
    code = httpx.URL(landed.headers["location"]).params["code"]
    responses = await asyncio.gather(*(attempt.exchange(auths[number % 2], code) for number in range(50)))
    assert Counter(response.status_code for response in responses) == {200: 1, 400: 49}


async def test_one_callback_from_google_makes_one_session_and_its_code_one_pair_of_tokens(
    auths: Pair, provider: Provider, database: AuthDatabase
) -> None:
    browsers = (Browser(auths[0]), Browser(auths[1]))
    person = somebody(provider)
    way = await browsers[0].choose(await browsers[0].begin(), person)
    auths[1].cookies.update(auths[0].cookies)

    repeated = await asyncio.gather(*(browsers[number % 2].come_back(way) for number in range(20)))
    answers = [answer_of(response.headers["location"]) for response in repeated]
    assert Counter(next(iter(answer)) for answer in answers) == {"code": 1, "error": 19}
    sessions = "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1"
    assert await database.fetch_value(sessions, person.email) == 1

    # Its code twenty times: one pair, and the session that two may have had is over.
    (code,) = [answer["code"] for answer in answers if "code" in answer]
    exchanges = await asyncio.gather(*(browsers[number % 2].exchange(code) for number in range(20)))
    assert Counter(response.status_code for response in exchanges) == {200: 1, 410: 19}


async def test_two_processes_make_one_account_of_many_first_sign_ins(
    auths: Pair, provider: Provider, database: AuthDatabase
) -> None:
    browsers = (Browser(auths[0]), Browser(auths[1]))
    person = somebody(provider)
    ways = [await browsers[0].choose(await browsers[0].begin(), person) for _ in range(30)]
    auths[1].cookies.update(auths[0].cookies)
    returns = await asyncio.gather(*(browsers[number % 2].come_back(way) for number, way in enumerate(ways)))
    answers = [answer_of(response.headers["location"]) for response in returns]
    assert [set(answer) for answer in answers] == [{"code"}] * 30
    users = await database.fetch("SELECT id FROM users WHERE email = $1", person.email)
    assert len(users) == 1
    links = "SELECT count(*) FROM oauth_accounts WHERE provider_account_id = $1"
    assert await database.fetch_value(links, person.subject) == 1
    exchanges = await asyncio.gather(
        *(browsers[(number + 1) % 2].exchange(answer["code"]) for number, answer in enumerate(answers))
    )
    assert Counter(response.status_code for response in exchanges) == {200: 30}


async def test_two_processes_send_each_mail_once(
    auths: Pair, mail_server: MailServer, database: AuthDatabase
) -> None:
    people = [new_person() for _ in range(30)]
    await asyncio.gather(*(register(auths[number % 2], person) for number, person in enumerate(people)))
    await eventually(lambda: everything_sent(database))
    addresses = sorted(person.email for person in people)
    assert sorted(to for message in mail_server.taken if (to := message["To"]) in addresses) == addresses


# Payment.


async def test_fifty_orders_with_one_key_at_two_processes_are_one_order(
    stack: Stack, auths: Pair, database: AuthDatabase
) -> None:
    person = await register(auths[0])
    await database.execute("UPDATE users SET roles = '{user,admin}' WHERE email = $1", person.email)
    headers = bearer((await log_in(auths[0], person))["access_token"])
    product = {"sku": "tea", "name": "Green tea", "unit_price": "12.50", "currency": "eur"}
    order = {"items": [{"sku": "tea", "quantity": 2}]}
    async with stack.each("payment") as pair:
        assert (await pair[0].post("/v1/products", json=product, headers=headers)).status_code == 201
        keyed = headers | {"Idempotency-Key": "k"}
        answers = await asyncio.gather(
            *(pair[number % 2].post("/v1/orders", json=order, headers=keyed) for number in range(50))
        )
        listed = (await pair[1].get("/v1/orders", headers=headers)).json()["items"]
    # A busy key is refused with 409, to be asked again.
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert len(listed) == 1


# Kills. They come last, since `quartet ps` counts the restarts.


def test_a_killed_process_is_started_again_and_no_request_is_refused(stack: Stack) -> None:
    running, place = stack.running, stack.place
    before = running.state["services"]["l2p.2"]["pid"]
    os.kill(before, signal.SIGSTOP)  # it accepts nothing from here on, so nothing is in flight on it
    assert httpx.get(f"{stack.own_url('l2p.1')}/readyz", timeout=5).status_code == 200
    os.kill(before, signal.SIGKILL)
    asked = 0
    while running.state["services"]["l2p.2"]["restarts"] == 0 or asked < 50:
        assert httpx.get(place.url("l2p", "/livez"), timeout=10, verify=certificates()).status_code == 200
        asked += 1
    wait_until(lambda: running.state["services"]["l2p.2"]["state"] == "ready")
    shown = place.quartet_json("ps")["services"]
    assert shown["l2p.2"]["pid"] != before
    assert {name: each["restarts"] for name, each in shown.items()} == dict.fromkeys(
        [*NAMES, STRIPE_STANDIN], 0
    ) | {"l2p.2": 1}
    assert shown["l2p.2"]["readiness"] == "ready"


async def test_of_a_hundred_guesses_at_two_processes_ten_are_tried_even_when_both_are_killed(
    stack: Stack,
) -> None:
    async with stack.each("auth") as pair:
        person = await register(pair[0])
        guesses = (try_password(pair[number % 2], person.email, "wrong") for number in range(100))
        answers = await asyncio.gather(*guesses)
    assert Counter(answer.status_code for answer in answers) == {401: 10, 429: 90}
    services = stack.running.state["services"]
    for name in ("auth.1", "auth.2"):
        os.kill(services[name]["pid"], signal.SIGKILL)
    # Connections wait until the processes run again: none is refused.
    async with stack.shared("auth") as client:
        right = await try_password(client, person.email, person.password)
    assert problem(right) == (429, "too-many-attempts")
    assert 800 <= int(right.headers["retry-after"]) <= 900
