"""What a device is known by to an account: what was proven at it, and no longer than that holds."""

from sqlalchemy import ColumnElement, LargeBinary, literal_column

DEVICE_BINDING_SQL = """
    sha256(convert_to(concat_ws(' ', users.id, users.password_hash, (
        SELECT extract(epoch FROM totp_secrets.confirmed_at) FROM totp_secrets WHERE totp_secrets.user_id = users.id
    )), 'UTF8'))
"""
"""A digest of an account's password and second factor, as SQL beside `users`. With either of them changed, devices of before
are strangers: whoever collected them, knowing what held then, would have a count of guesses for each."""

DEVICE_BINDING: ColumnElement[bytes] = literal_column(DEVICE_BINDING_SQL, LargeBinary())
