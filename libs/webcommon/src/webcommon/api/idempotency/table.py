"""The table that a service needs for it; each has its own, in its own database."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, LargeBinary, SmallInteger, func
from sqlalchemy.orm import Mapped, declared_attr, mapped_column


class IdempotencyKeyColumns:
    """A request that is being worked on, or its answer, which the same request gets again until `expires_at`.

    A service's model is `class IdempotencyKey(IdempotencyKeyColumns, Model)`, where `user_id` gets its foreign key.
    """

    __tablename__ = "idempotency_keys"

    @declared_attr.directive
    def __table_args__(cls) -> tuple[CheckConstraint, ...]:  # noqa: N805 - SQLAlchemy hands it the class
        """Made anew for each table: a constraint belongs to one."""
        return (
            CheckConstraint("char_length(key) BETWEEN 1 AND 255", name="key"),
            CheckConstraint("status_code BETWEEN 200 AND 299", name="status_code"),
            CheckConstraint("(status_code IS NULL) = (body IS NULL)", name="answer"),
            CheckConstraint("(lease_token IS NULL) = (leased_until IS NULL)", name="lease"),
            CheckConstraint("(status_code IS NULL) <> (lease_token IS NULL)", name="in_progress"),
        )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    operation: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary())
    request_id: Mapped[UUID] = mapped_column(server_default=func.gen_random_uuid())
    """Stays the same when another run takes the request over."""
    lease_token: Mapped[UUID | None]
    """Whose run it is, while it is in progress."""
    leased_until: Mapped[datetime | None]
    """From here on another run may take the request over."""
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    location: Mapped[str | None]
    body: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
