"""What Auth's routes ask for, beside what every service has."""

from typing import Annotated

from fastapi import Depends, Request

from auth.keys.service import Keyring
from auth.mail.outbox import Outbox
from auth.mail.worker import MailWorker
from auth.second_factors.codes import SecondFactors
from auth.sessions.beginning import Tokens
from auth.sessions.password_login import PasswordCheck
from auth.settings import Settings
from webcommon.paging import CursorCodec
from webcommon.passwords import PasswordHasher


async def get_settings(request: Request) -> Settings:
    """The settings that the application was made with."""
    settings: Settings = request.app.state.settings
    return settings


async def get_hasher(request: Request) -> PasswordHasher:
    """The application's one hasher, whose limit holds for all requests together."""
    hasher: PasswordHasher = request.app.state.hasher
    return hasher


async def get_keyring(request: Request) -> Keyring:
    """The signing keys."""
    keyring: Keyring = request.app.state.keyring
    return keyring


async def get_tokens(request: Request) -> Tokens:
    """What tokens are made with."""
    tokens: Tokens = request.app.state.tokens
    return tokens


async def get_password_check(request: Request) -> PasswordCheck:
    """What passwords are checked with."""
    check: PasswordCheck = request.app.state.password_check
    return check


async def get_second_factors(request: Request) -> SecondFactors:
    """What second factors are made and checked with."""
    factors: SecondFactors = request.app.state.second_factors
    return factors


async def get_outbox(request: Request) -> Outbox:
    """Where mails are put."""
    outbox: Outbox = request.app.state.outbox
    return outbox


async def get_mail_worker(request: Request) -> MailWorker:
    """What sends them."""
    worker: MailWorker = request.app.state.mail_worker
    return worker


async def get_cursors(request: Request) -> CursorCodec:
    """The writer and reader of this service's page cursors."""
    cursors: CursorCodec = request.app.state.cursors
    return cursors


SettingsDep = Annotated[Settings, Depends(get_settings)]
HasherDep = Annotated[PasswordHasher, Depends(get_hasher)]
KeyringDep = Annotated[Keyring, Depends(get_keyring)]
TokensDep = Annotated[Tokens, Depends(get_tokens)]
PasswordCheckDep = Annotated[PasswordCheck, Depends(get_password_check)]
SecondFactorsDep = Annotated[SecondFactors, Depends(get_second_factors)]
OutboxDep = Annotated[Outbox, Depends(get_outbox)]
MailWorkerDep = Annotated[MailWorker, Depends(get_mail_worker)]
CursorsDep = Annotated[CursorCodec, Depends(get_cursors)]
