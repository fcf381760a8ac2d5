"""The table of idempotency keys; each service has its own."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, LargeBinary, SmallInteger, func
from sqlalchemy.orm import Mapped, declared_attr, mapped_column


class IdempotencyKeyColumns:
    """A request in progress, or its answer, which the same request gets until `expires_at`.

    A service's model is `class IdempotencyKey(IdempotencyKeyColumns, Model)`, which adds the foreign key of `user_id`.
    """

    __tablename__ = "idempotency_keys"

    @declared_attr.directive
    def __table_args__(cls) -> tuple[CheckConstraint, ...]:  # noqa: N805 - SQLAlchemy hands it the class
        """A constraint belongs to one table, so each table gets its own."""
        return (
            CheckConstraint("char_length(key) BETWEEN 1 AND 255", name="key"),
            CheckConstraint("status_code BETWEEN 200 AND 299", name="status_code"),
            CheckConstraint("(status_code IS NULL) = (body IS NULL)", name="answer"),
            CheckConstraint("(lease_token IS NULL) = (leased_until IS NULL)", name="lease"),
            CheckConstraint("(status_code IS NULL) <> (lease_token IS NULL)", name="in_progress"),
        )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    operation: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True, info={"secret": False})
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary())
    request_id: Mapped[UUID] = mapped_column(server_default=func.gen_random_uuid())
    """The same for all runs of the request."""
    lease_token: Mapped[UUID | None]
    """Identifies the run in progress."""
    leased_until: Mapped[datetime | None]
    """When another run may take over."""
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    location: Mapped[str | None]
    body: Mapped[str | None] = mapped_column(info={"secret": True})
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
