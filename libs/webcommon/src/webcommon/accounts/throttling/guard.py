"""The guard of a service's logins and sign-ups."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

from starlette.responses import Response

from dbcommon.engine import Database
from webcommon.accounts.throttling.devices import LIFETIME_SECONDS, DeviceCookies, cookie_name
from webcommon.accounts.throttling.limits import KeyMaker, Limit, fold_login, network_of
from webcommon.accounts.throttling.settings import ThrottledSettings
from webcommon.accounts.throttling.throttle import Attempt, Counter, Throttle
from webcommon.keys import derive_key


@dataclass(frozen=True, kw_only=True)
class ClientInfo:
    """Where a request comes from: the client's address, and the device cookie as it was sent."""

    address: IPv4Address | IPv6Address
    device_cookie: str | None = None


class Guard:
    """Counts failed logins by account and by network, and sign-ups by network. One per application.

    `url` is the service's own as browsers know it; with https its cookie is never sent without.
    """

    def __init__(self, settings: ThrottledSettings, *, database: Database, url: str) -> None:
        secret = settings.secret.get_secret_value()
        self._devices = DeviceCookies(derive_key(secret, "known devices"))
        self._keys = KeyMaker(derive_key(secret, "attempt counters"))
        self._throttle = Throttle(database)
        self._settings = settings
        self._is_secure = url.startswith("https://")
        self.device_cookie_name = cookie_name(settings.service, is_secure=self._is_secure)

    async def limit_login(
        self, login: str, *, account: UUID | None, device_binding: bytes, client: ClientInfo
    ) -> Attempt:
        """Leave to look at one password. Raises `TooManyAttempts`.

        `login` is what was typed, and is counted alike whether there is an account or not, so that a 429 tells nothing.
        The guesses at an account by its e-mail and by its username count together too; beyond the limit of those none
        may succeed, and is answered like a wrong one, since a 429 would tell that the two names belong together.
        A device that is known to the account, by `device_binding` of its present state, has a counter of its own in their stead.
        """
        device = self._devices.find(client.device_cookie, device_binding)
        if account is not None and device is not None:
            return await self._limit_guess(self._keys.make("device", str(account), device), client=client)
        name = fold_login(login)
        attempt = await self._limit_guess(self._keys.make("login", name), client=client)
        # For nobody's name a counter too, so that it takes the same time.
        key = self._keys.make("account", name if account is None else str(account))
        return await self._throttle.extend(attempt, Counter(key=key, limit=self._settings.account_limit))

    async def limit_reauthentication(self, account: UUID, *, client: ClientInfo) -> Attempt:
        """Leave to look at the password that somebody gives who is signed in to the account. Strangers' guesses at its names
        do not count here, nor these there: a stolen token gets no further than the limit, and locks nobody out."""
        return await self._limit_guess(self._keys.make("proof", str(account)), client=client)

    async def limit_second_factor(
        self, account: UUID, *, device_binding: bytes, client: ClientInfo
    ) -> Attempt:
        """Leave to look at one code of a second factor, whose failures count like those of a login: a known device has a
        counter of its own, so that who has learnt the password cannot lock the owner out."""
        device = self._devices.find(client.device_cookie, device_binding)
        parts = [str(account)] if device is None else [str(account), device]
        return await self._limit_guess(self._keys.make("factor", *parts), client=client)

    async def limit_passkey(self, *, client: ClientInfo) -> Attempt:
        """Leave to look at one proof of a passkey. Nobody guesses a signature, so failures count by network alone, and
        cannot lock the owner out."""
        network = self._keys.make("network", network_of(client.address))
        return await self._throttle.start([Counter(key=network, limit=self._settings.network_limit)])

    async def limit_sign_up(self, *, client: ClientInfo) -> None:
        """Count a sign-up. Raises `TooManyAttempts`."""
        await self.limit_by_network("sign-up", client=client, limit=self._settings.sign_up_limit)

    async def limit_by_network(self, act: str, *, client: ClientInfo, limit: Limit) -> None:
        """Count what anybody may do, but from one network only so often. Raises `TooManyAttempts`."""
        key = self._keys.make(act, network_of(client.address))
        await self._throttle.count(Counter(key=key, limit=limit))

    async def limit_action(self, act: str, *, account: UUID, limit: Limit) -> None:
        """Count what an account may do only so often. Raises `TooManyAttempts`."""
        await self._throttle.count(Counter(key=self._keys.make(act, str(account)), limit=limit))

    def remember_device(self, response: Response, *, device_binding: bytes, client: ClientInfo) -> None:
        """Tell the browser that it has signed in to the account of `device_binding`."""
        response.set_cookie(
            self.device_cookie_name,
            self._devices.remember(client.device_cookie, device_binding),
            max_age=LIFETIME_SECONDS,
            path="/",
            secure=self._is_secure,
            httponly=True,
            # It lets nobody in. Strict, it would stay behind on the way back from Google, and be overwritten there.
            samesite="lax",
        )

    async def _limit_guess(self, key: bytes, *, client: ClientInfo) -> Attempt:
        network = self._keys.make("network", network_of(client.address))
        return await self._throttle.start(
            [
                Counter(key=network, limit=self._settings.network_limit),
                Counter(key=key, limit=self._settings.account_limit),
            ]
        )
