"""The rate limits of a service's logins, sign-ups and other actions."""

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
    """A request's client: its address, and its device cookie as sent."""

    address: IPv4Address | IPv6Address
    device_cookie: str | None = None


class Guard:
    """The limits of one application: it picks the counters of an action and their limits; `Throttle` reserves the slots.

    The methods that return an `Attempt` count failures only; its caller settles it. The others count each call. `url` is the service's public URL; with https the cookie is sent over https only.
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
        """Permission for one check of a password. Raises `TooManyAttempts`.

        Failures count by network and by `login` as typed, whether or not an account has it, so that a 429 reveals nothing.
        Guesses at an account's e-mail and at its username also count together. Beyond that limit `may_succeed` is False, and
        the attempt is answered like a wrong password: a 429 would reveal that both names belong to one account. A device
        that the account recognises, by its `device_binding`, has a counter of its own instead.
        """
        device = self._devices.find(client.device_cookie, device_binding)
        if account is not None and device is not None:
            return await self._limit_guess(self._keys.make("device", str(account), device), client=client)
        name = fold_login(login)
        attempt = await self._limit_guess(self._keys.make("login", name), client=client)
        # For an unknown login too, so that it takes the same time.
        key = self._keys.make("account", name if account is None else str(account))
        return await self._throttle.reserve_extra(
            attempt, Counter(key=key, limit=self._settings.account_limit)
        )

    async def limit_reauthentication(self, account: UUID, *, client: ClientInfo) -> Attempt:
        """Permission for one check of the password of a signed-in user. Raises `TooManyAttempts`. Its counter is not
        the login's: somebody with a stolen token cannot guess beyond this limit, and cannot block the owner's login."""
        return await self._limit_guess(self._keys.make("proof", str(account)), client=client)

    async def limit_second_factor(
        self, account: UUID, *, device_binding: bytes, client: ClientInfo
    ) -> Attempt:
        """Permission for one check of a second factor's code. Raises `TooManyAttempts`. Failures count as those of a
        login do: a recognised device has a counter of its own, so an attacker with the password cannot lock the owner
        out."""
        device = self._devices.find(client.device_cookie, device_binding)
        parts = [str(account)] if device is None else [str(account), device]
        return await self._limit_guess(self._keys.make("factor", *parts), client=client)

    async def limit_passkey(self, *, client: ClientInfo) -> Attempt:
        """Permission for one check of a passkey's signature. Raises `TooManyAttempts`. A signature cannot be guessed, so
        failures count by network only, and cannot lock the owner out."""
        network = self._keys.make("network", network_of(client.address))
        return await self._throttle.start([Counter(key=network, limit=self._settings.network_limit)])

    async def limit_sign_up(self, *, client: ClientInfo) -> None:
        """Count a sign-up. Raises `TooManyAttempts`."""
        await self.limit_by_network("sign-up", client=client, limit=self._settings.sign_up_limit)

    async def limit_by_network(self, action: str, *, client: ClientInfo, limit: Limit) -> None:
        """Count an action of anybody, by network. Raises `TooManyAttempts`."""
        key = self._keys.make(action, network_of(client.address))
        await self._throttle.consume(Counter(key=key, limit=limit))

    async def start_by_network(self, action: str, *, client: ClientInfo, limit: Limit) -> Attempt:
        """Permission for one attempt of anybody, of which failures count by network. Raises `TooManyAttempts`."""
        key = self._keys.make(action, network_of(client.address))
        return await self._throttle.start([Counter(key=key, limit=limit)])

    async def limit_action(self, action: str, *, account: UUID, limit: Limit) -> None:
        """Count an action of an account. Raises `TooManyAttempts`."""
        await self._throttle.consume(Counter(key=self._keys.make(action, str(account)), limit=limit))

    def remember_device(self, response: Response, *, device_binding: bytes, client: ClientInfo) -> None:
        """Set the cookie by which the account of `device_binding` recognises this device."""
        response.set_cookie(
            self.device_cookie_name,
            self._devices.remember(client.device_cookie, device_binding),
            max_age=LIFETIME_SECONDS,
            path="/",
            secure=self._is_secure,
            httponly=True,
            # The cookie grants no access. With Strict it would not be sent on the return from Google, and be overwritten
            # there.
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
