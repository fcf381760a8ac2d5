"""Responses to a sign-in with a password."""

from typing import TypeAlias

from auth.second_factors.schemas import SecondFactorAsked
from auth.sessions.schemas import CookieLogin, LoginAnswer

LoginOrSecondFactor: TypeAlias = LoginAnswer | CookieLogin | SecondFactorAsked
