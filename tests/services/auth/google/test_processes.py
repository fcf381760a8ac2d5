"""The log of an Auth process during sign-ins with Google."""

import re
from pathlib import Path

import pytest

from standins.openid_provider.faults import Fault
from tests.services.auth.auth_app import AuthDatabase, bearer, refresh
from tests.services.auth.google.visits import Browser, answer_of, google_environment, google_standin, somebody
from tests.services.auth.processes import auth_process


@pytest.mark.long
async def test_nothing_secret_of_a_sign_in_is_logged(auth_database: AuthDatabase, tmp_path: Path) -> None:
    log = tmp_path / "log"
    secrets: set[str] = set()
    async with google_standin() as provider:
        settings = google_environment(provider) | {"LOG_LEVEL": "debug", "LOG_FORMAT": "json"}
        async with auth_process(auth_database, folder=tmp_path, log=str(log), **settings) as replica:
            browser = Browser(replica.client)
            slow = {Fault.TOKENS_SLOW, Fault.TOKENS_DRIPPING}
            faults = [None, *(fault for fault in Fault if fault not in slow)]
            for fault in faults:
                provider.faults = set() if fault is None else {fault}
                location = await browser.begin(code_challenge="c" * 43)
                secrets |= {value for name, value in answer_of(location).items() if name in _SECRET}
                location = await browser.visit(somebody(provider))
                if "code" in answer_of(location):
                    secrets.add(answer_of(location)["code"])
                    answer = (await browser.exchange(answer_of(location)["code"])).json()
                    secrets |= {answer["access_token"], answer["refresh_token"]}
                    await browser.client.get("/v1/oauth/accounts", headers=bearer(answer["access_token"]))
                    await refresh(browser.client, answer["refresh_token"])
            secrets |= {cookie.value for cookie in browser.client.cookies.jar if cookie.value}
            secrets |= {provider.client.secret, *provider.issued}
    text = log.read_text()
    assert "a sign-in with Google failed" in text
    assert "/v1/oauth/google/callback" in text
    assert len(secrets) > 2 * len(faults)
    assert [secret for secret in secrets if secret in text] == []
    assert not re.search(r"[?&](code|state)=", text)


_SECRET = frozenset({"state", "nonce", "code_challenge"})
