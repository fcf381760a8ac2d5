"""What `quartet studio` says and how it ends."""

import socket

import httpx
import pytest

from quartet.provision.plan import SERVICES
from quartet.studio import StudioDatabase
from tests.ops.command import Workplace, assert_refused, workplace
from tests.ops.inspected import settings_for
from tests.ops.studio.running import pages_of, settings_of, studio
from tests.servers import TestServer


def test_in_production_it_reads_until_ctrl_c_even_while_a_browser_is_connected(server: TestServer) -> None:
    told = settings_of(server) | {"QUARTET_ENV": "production"}
    with studio("l2p", **told) as running, running.entered() as pages:
        assert pages.get("/l2p/users/list").status_code == 200
        said = "works once, in one browser; read-only, as l2p_user; Ctrl-C ends it\n"
        assert running.interrupt() == (0, said)
        with pytest.raises(httpx.TransportError):
            pages.get("/l2p/users/list")


def test_several_services_are_a_menu_apart(server: TestServer) -> None:
    with pages_of(*[StudioDatabase(name, server.url(name), writes=False) for name in SERVICES]) as pages:
        for path in (
            "/auth/users/list",
            "/l2p/lobbies/list",
            "/payment/orders/list",
            "/videovault/videos/list",
        ):
            assert pages.get(path).status_code == 200
        assert 'href="/payment/"' in pages.get("/auth/users/list").text


def test_what_it_cannot_do_is_one_line_and_an_exit_code(server: TestServer) -> None:
    with workplace(**settings_for(server)) as place, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = place.call("studio", "l2p", "--port", port)
        assert_refused(refused, exit_code=3, says=[f"port {port}", "--port"])
        wrong = place.call("studio", "l2p", L2P_DB_PASSWORD="wrong")
        assert_refused(wrong, exit_code=6, says=["l2p_user", "quartet provision"])
        absent = place.call("studio", "l2p", POSTGRES_PORT="1")
        assert_refused(absent, exit_code=10, says=["no PostgreSQL answers"])
        assert place.call("studio", "nosuch").returncode == 2
        assert place.call("studio", "l2p", "--port", "65536").returncode == 2


def test_never_started_it_says_so(place: Workplace) -> None:
    assert_refused(place.call("studio"), exit_code=13, says=["quartet up"])


def test_production_is_not_changed(place: Workplace) -> None:
    refused = place.call("studio", "l2p", "--write", QUARTET_ENV="production")
    assert_refused(refused, exit_code=17, says=["QUARTET_ENV=production", "without --write"])


def test_help_says_what_it_shows_and_what_it_hides(place: Workplace) -> None:
    told = place.call("studio", "--help")
    assert told.returncode == 0
    text = " ".join(told.stdout.split())
    for words in ("127.0.0.1 alone", "never shown", "--write", "In production it only reads", "Exit codes"):
        assert words in text
