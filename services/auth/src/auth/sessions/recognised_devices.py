"""The device binding of an account: it changes with the password and the second factor."""

from sqlalchemy import ColumnElement, LargeBinary, literal_column

DEVICE_BINDING_SQL = """
    sha256(convert_to(concat_ws(' ', users.id, users.password_hash, (
        SELECT extract(epoch FROM totp_secrets.confirmed_at) FROM totp_secrets WHERE totp_secrets.user_id = users.id
    )), 'UTF8'))
"""
"""A digest of an account's password and second factor, as SQL on `users`. Changing either one invalidates all recognised
devices; otherwise an attacker who knew the old values could use each device's separate attempt counter."""

DEVICE_BINDING: ColumnElement[bytes] = literal_column(DEVICE_BINDING_SQL, LargeBinary())
