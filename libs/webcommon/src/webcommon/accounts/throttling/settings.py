"""The settings of a service with logins and sign-ups."""

from datetime import timedelta
from functools import cache

from pydantic import Field, field_validator

from webcommon.accounts.throttling.limits import Limit
from webcommon.client_address import IPNetwork, parse_networks
from webcommon.settings import DatabaseServiceSettings

SIGN_UP_WINDOW = timedelta(hours=1)

SIGN_UPS = {"production": 100, "development": 1_000}
"""Per `SIGN_UP_WINDOW` and network."""

MOST = 10_000
"""The highest limit: a counter stores the time of each attempt that counts."""


class ThrottledSettings(DatabaseServiceSettings):
    """The settings of every service, and the limits of logins and sign-ups."""

    trusted_proxies: str = Field(
        "",
        description="Addresses and CIDR ranges, comma separated, whose X-Forwarded-For is trusted; none by default.",
    )
    login_failures_per_account: int = Field(
        10,
        ge=1,
        le=MOST,
        description="Failed logins within LOGIN_WINDOW_SECONDS after which an account is blocked for a while.",
    )
    login_failures_per_network: int = Field(
        1_000,
        ge=1,
        le=MOST,
        description="The same for a network: an IPv4 address, or the /64 of an IPv6 one.",
    )
    login_window_seconds: int = Field(
        900,
        ge=1,
        le=86_400,
        description="The period in which failures are counted, and the length of the first block.",
    )
    login_longest_block_seconds: int = Field(
        3_600,
        ge=1,
        le=7 * 86_400,
        description="Each block within a day is twice as long as the one before, up to this.",
    )
    sign_ups_per_network: int | None = Field(
        None,
        ge=1,
        le=MOST,
        description="Sign-ups an hour from one network; 100 in production and 1,000 in development by default.",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, text: str) -> str:
        try:
            parse_networks(text)
        except ValueError as error:
            raise ValueError(f"{error}; write addresses or ranges such as 10.0.0.0/8") from None
        return text

    @property
    def trusted_networks(self) -> tuple[IPNetwork, ...]:
        """The networks of `trusted_proxies`."""
        return _parse_once(self.trusted_proxies)

    @property
    def account_limit(self) -> Limit:
        """The limit of failed logins of one account, and of one recognised device of it."""
        return self._login_limit(self.login_failures_per_account)

    @property
    def network_limit(self) -> Limit:
        """The limit of failed logins from one network."""
        return self._login_limit(self.login_failures_per_network)

    @property
    def sign_up_limit(self) -> Limit:
        """The limit of sign-ups from one network."""
        return Limit(
            count=self.sign_ups_per_network or SIGN_UPS[self.environment],
            window=SIGN_UP_WINDOW,
        )

    def _login_limit(self, count: int) -> Limit:
        window = timedelta(seconds=self.login_window_seconds)
        longest = max(window, timedelta(seconds=self.login_longest_block_seconds))
        return Limit(count=count, window=window, longest_block=longest)


@cache
def _parse_once(text: str) -> tuple[IPNetwork, ...]:
    # Read at each login; the texts are those of a process's settings.
    return parse_networks(text)
