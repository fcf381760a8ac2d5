"""The table of attempt counters; each service has its own."""

from datetime import datetime

from sqlalchemy import CheckConstraint, LargeBinary, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import Mapped, declared_attr, mapped_column


class AttemptCounterColumns:
    """The attempts of one account, device or network. The key is a keyed hash, so a row does not tell whose it is.

    A service's model is `class AttemptCounter(AttemptCounterColumns, Model)`.
    """

    __tablename__ = "attempt_counters"

    @declared_attr.directive
    def __table_args__(cls) -> tuple[CheckConstraint, ...]:  # noqa: N805 - SQLAlchemy hands it the class
        """A constraint belongs to one table, so each table gets its own."""
        return (
            CheckConstraint("octet_length(key) = 32", name="key"),
            CheckConstraint("in_flight >= 0", name="in_flight"),
            CheckConstraint("consecutive_blocks >= 0", name="consecutive_blocks"),
        )

    key: Mapped[bytes] = mapped_column(LargeBinary(), primary_key=True)
    attempted_at: Mapped[list[datetime]] = mapped_column(ARRAY(TIMESTAMP(timezone=True)))
    """The times of failed attempts and of those in flight; at most as many as the limit."""
    in_flight: Mapped[int]
    """How many of them are in flight, or were when their process died."""
    consecutive_blocks: Mapped[int] = mapped_column(server_default=text("0"))
    """How often in a row the limit was reached; each block is longer."""
    blocked_until: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """When the row has no effect any more."""
