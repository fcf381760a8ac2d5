"""Whether all of it holds, and what does not."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from payment.turns.repository import find_turn
from payment.turns.service import Run, take_turn
from payment.verification import repository
from payment.verification.metrics import VerificationMetrics
from payment.verification.repository import CHECKS, MOST, Check


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is wrong."""

    check: Check
    subject: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What is wrong, 100 findings of each check at most, and the orders that wait for an admin, which is not wrong."""

    findings: tuple[Finding, ...]
    flagged: tuple[Mapping[str, str], ...]

    def counts(self) -> dict[str, int]:
        """The number of findings of each check."""
        return {check: sum(each.check == check for each in self.findings) for check in CHECKS}

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "ok": not self.findings,
            "findings": [asdict(each) for each in self.findings],
            "flagged": list(self.flagged),
        }


async def verify(db: AsyncSession) -> Verification:
    """Compare everything that follows from something else. It reads whole tables."""
    await repository.allow_time(db)
    findings = [
        Finding(check=check, subject=row.subject, detail=row.detail)
        for check in CHECKS
        for row in await repository.find_faults(db, check)
    ]
    flagged = tuple(
        {
            "order_id": str(row.id),
            "flag": row.flag,
            "status": row.status,
            "created_at": row.created_at.isoformat(),
        }
        for row in await repository.find_flagged(db, most=MOST)
    )
    return Verification(findings=tuple(findings), flagged=flagged)


async def verify_in_turn(database: Database, *, period: timedelta | None) -> bool:
    """Verify, and remember the number of findings; False when another process does, or the last run ended less than a
    `period` ago."""

    async def work(_run: Run) -> dict[str, Any]:
        async with database.transaction() as db:
            return {"findings": (await verify(db)).counts()}

    return await take_turn(database, "verification", work, period=period)


async def measure(database: Database, metrics: VerificationMetrics) -> None:
    """Tell `/metrics` what the last runs found, whichever process did them."""
    verification = await find_turn(database, "verification")
    reconciliation = await find_turn(database, "reconciliation")
    metrics.set_verification(
        (verification.result or {}).get("findings", {}), age_seconds=float(verification.age_seconds)
    )
    metrics.set_reconciliation(
        (reconciliation.result or {}).get("differences", 0), age_seconds=float(reconciliation.age_seconds)
    )
    metrics.set_flagged(await repository.count_flagged(database))
    metrics.set_failing_endpoints(await repository.count_failing_endpoints(database))
