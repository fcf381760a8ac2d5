"""Which columns the studio hides."""

from typing import Any

import pytest
from sqlalchemy import ARRAY, Column, Integer, LargeBinary, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import CITEXT, JSONB, TIMESTAMP

from quartet.provision.plan import SERVICES
from quartet.schema import service_metadata
from quartet.studio.hidden import is_hidden

SUSPICIOUS = (
    "challenge",
    "code",
    "credential",
    "hash",
    "hmac",
    "key",
    "nonce",
    "otp",
    "pass",
    "payload",
    "private",
    "salt",
    "seal",
    "secret",
    "seed",
    "sign",
    "token",
)
"""Any part of a name, in any place: more than the studio itself goes by."""

SHOWN = {
    "auth.sessions.refresh_token_counter": "a number",
    "auth.passkeys.sign_count": "a number",
    "l2p.users.token_expires_at": "a time",
    "payment.users.token_expires_at": "a time",
    "payment.idempotency_keys.key": "the client's name for its request, which only its account may repeat",
    "payment.idempotency_keys.status_code": "a number",
    "payment.webhook_endpoints.previous_secret_until": "a time",
    "videovault.proofs.hash": "the hash of a file's content",
    "videovault.staged_videos.hash": "the hash of a file's content",
    "videovault.staged_videos.random_key": "a hash of the id, by which lists are shuffled",
    "videovault.videos.hash": "the hash of a file's content",
    "videovault.videos.random_key": "a hash of the id, by which lists are shuffled",
}
"""Columns with a suspicious name that are no secret, and why. A new one is added here after a thought, or hidden by
`info={"secret": True}` on the column."""


def every_column() -> list[tuple[str, Column[Any]]]:
    return [
        (f"{service}.{table.name}.{column.name}", column)
        for service in SERVICES
        for table in service_metadata(service).tables.values()
        for column in table.columns
    ]


def test_whatever_looks_like_a_secret_is_hidden_or_was_thought_about() -> None:
    shown = {
        name
        for name, column in every_column()
        if not is_hidden(column)
        and (isinstance(column.type, LargeBinary) or any(part in column.name for part in SUSPICIOUS))
    }
    assert shown == SHOWN.keys(), "hide it by info={'secret': True}, or say here why it may be shown"


def test_known_secrets_are_hidden() -> None:
    hidden = {name for name, column in every_column() if is_hidden(column)}
    assert {
        "auth.users.password_hash",
        "auth.sessions.refresh_token",
        "auth.sessions.refresh_token_hmac_key",
        "auth.signing_keys.private_key",
        "auth.totp_secrets.secret",
        "auth.recovery_codes.code_hash",
        "auth.mails.seed",
        "auth.mails.payload",
        "auth.oauth_accounts.access_token",
        "auth.oauth_states.authorization_request",
        "auth.attempt_counters.key",
        "l2p.users.password_hash",
        "l2p.lobbies.code",
        "payment.idempotency_keys.body",
    } <= hidden


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (Column("reset_token", Text()), True),
        (Column("api_key", CITEXT()), True),
        (Column("backup_codes_hash", ARRAY(Text())), True),
        (Column("webhook_secret", JSONB()), True),
        (Column("lease_token", Uuid()), True),
        (Column("thumbnail", LargeBinary()), True),
        (Column("thumbnail", LargeBinary(), info={"secret": False}), False),
        (Column("answer", Text(), info={"secret": True}), True),
        (Column("token_count", Integer()), False),
        (Column("token_expires_at", TIMESTAMP(timezone=True)), False),
        (Column("keyboard", Text()), False),
    ],
    ids=lambda value: value.name if isinstance(value, Column) else "",
)
def test_a_new_column_is_hidden_by_its_name_or_type_unless_it_is_marked(
    column: Column[Any], expected: bool
) -> None:
    table = Table("new", MetaData(), column)
    assert is_hidden(table.c[column.name]) is expected
