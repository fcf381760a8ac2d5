"""Idempotency keys."""

from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from payment.models.base import Model
from webcommon.api.idempotency.table import IdempotencyKeyColumns


class IdempotencyKey(IdempotencyKeyColumns, Model):
    """The stored response of a request that may be repeated."""

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
