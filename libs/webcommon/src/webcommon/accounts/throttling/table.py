"""The table that a service needs for it; each has its own, in its own database."""

from datetime import datetime

from sqlalchemy import CheckConstraint, LargeBinary, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import Mapped, declared_attr, mapped_column


class AttemptCounterColumns:
    """Attempts of one account, device or network. The key is a keyed hash, so a row tells nothing of whom it is about.

    A service's model is `class AttemptCounter(AttemptCounterColumns, Model)`.
    """

    __tablename__ = "attempt_counters"

    @declared_attr.directive
    def __table_args__(cls) -> tuple[CheckConstraint, ...]:  # noqa: N805 - SQLAlchemy hands it the class
        """Made anew for each table: a constraint belongs to one."""
        return (
            CheckConstraint("octet_length(key) = 32", name="key"),
            CheckConstraint("in_flight >= 0", name="in_flight"),
            CheckConstraint("consecutive_blocks >= 0", name="consecutive_blocks"),
        )

    key: Mapped[bytes] = mapped_column(LargeBinary(), primary_key=True)
    attempted_at: Mapped[list[datetime]] = mapped_column(ARRAY(TIMESTAMP(timezone=True)))
    """Of the attempts that count: those that failed, and those under way. At most as many as the limit."""
    in_flight: Mapped[int]
    """How many of them are under way, or were when their process died."""
    consecutive_blocks: Mapped[int] = mapped_column(server_default=text("0"))
    """How often the limit was reached of late; each time blocks for longer."""
    blocked_until: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """From here on the row says no more than none would."""
