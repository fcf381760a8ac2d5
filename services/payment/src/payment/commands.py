"""What an operator does to payments: `quartet payment …`."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from dbcommon.rows import AnyRow
from dbcommon.settings import PoolSettings
from payment.payments.forgetting import forget_user
from payment.reconciliation.comparison import Difference
from payment.reconciliation.service import Reconciliation, find_start, reconcile_in_turn
from payment.resolution.service import accept_money, return_money
from payment.settings import Settings
from payment.stripe_api.client import StripeApi
from payment.stripe_api.errors import StripeRefused, StripeUnavailable
from payment.stripe_api.setup import make_stripe_api
from payment.stripe_events.repository import QUEUE, find_event, list_dead_letters, list_events
from payment.turns.service import TurnLost
from payment.verification.service import verify
from webcommon.commands import Failure, NotFound, RunInTransaction, ServiceAccess

Result = TypeVar("Result")

group = typer.Typer(
    help="The books, Stripe's events, and orders that wait for an admin.",
    no_args_is_help=True,
    add_completion=False,
)
events = typer.Typer(
    help="The events that Stripe has sent. What cannot be applied is tried for a day, then it is a dead letter.",
    no_args_is_help=True,
    add_completion=False,
)
group.add_typer(events, name="events")

JsonOption = Annotated[bool, typer.Option("--json", help="For programs: JSON instead of lines.")]

MOST_REPLAYED = 10_000


@group.command(short_help="Say whether the books hold, and what does not.")
def check(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Say whether the books hold, and what does not. It changes nothing.

    The ledger sums to zero in each currency and each movement; each order's figures are the ledger's sums, and its status
    follows from them; receipt numbers have no gap; payments, refunds and disputes are booked as they are; an order has
    one open attempt at most; nothing is a dead letter, and no refund's outcome is unknown for an hour. Orders that wait
    for an admin are listed: they are not wrong.

    A running service does the same by itself (PAYMENT_CHECK_SECONDS), for /metrics.

    Exit codes: 0 all holds · 1 something does not · 6 wrong password · 10 no server answers
    """
    run: RunInTransaction = context.obj
    found = run("payment", verify)
    if as_json:
        _print_json(found.as_json())
    else:
        for finding in found.findings:
            typer.echo(f"{finding.check}: {finding.subject} {finding.detail}")
        for order in found.flagged:
            typer.echo(f"flagged: order {order['order_id']} is {order['status']}, {order['flag']}")
        typer.echo(_count(len(found.findings), "finding") if found.findings else "the books hold")
    if found.findings:
        raise typer.Exit(1)


@group.command(short_help="Compare Stripe with the database; --fix applies Stripe's truth.")
def reconcile(
    context: typer.Context,
    *,
    since: Annotated[
        str | None,
        typer.Option(
            help="Compare what was made at Stripe since then: 2026-11-01, or with time and zone.",
            show_default=False,
        ),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Apply Stripe's truth to what differs.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare Stripe with the database, and print every difference: the object, ours, Stripe's.

    It reads all that was made at Stripe since --since (by default since a day before the last run, three days at least),
    what has not ended, and refunds of the last 60 days; at most STRIPE_MAX_RPS requests a second. With --fix what Stripe
    says is stored, as its events would have done; what Stripe does not know is only printed.

    A running service does the same by itself with --fix (PAYMENT_RECONCILE_SECONDS).

    Example: quartet payment reconcile --since 2026-11-01 --fix

    Exit codes: 0 no difference is left · 1 some are, another run goes on, or Stripe cannot be reached · 2 wrong setting or
    usage · 6 wrong password · 10 no server answers
    """
    start = None if since is None else _read_moment(since)

    async def work(database: Database, stripe: StripeApi) -> list[Difference] | None:
        if fix:
            return await reconcile_in_turn(database, stripe, period=None, since=start)
        looking = Reconciliation(database=database, stripe=stripe.in_background(), is_fixing=False)
        return await looking.run(start or await find_start(database))

    found = _run_with_stripe(context, work)
    if found is None:
        raise Failure("another process is about it: try again when it has ended")
    left = [each for each in found if not each.is_fixed]
    if as_json:
        _print_json({"differences": [_shown(each) for each in found], "left": len(left)})
    else:
        for each in found:
            told = f"{each.object}: here {each.ours or 'nothing'}, at Stripe {each.stripe or 'nothing'}"
            order = f" (order {each.order_id})" if each.order_id else ""
            typer.echo(f"{told}{order}{'; fixed' if each.is_fixed else ''}")
        typer.echo(f"{_count(len(found), 'difference')}, {len(left)} left" if found else "no difference")
    if left:
        raise typer.Exit(1)


@group.command(short_help="Decide about the money of a flagged order.")
def resolve(
    context: typer.Context,
    order: Annotated[UUID, typer.Argument(help="The order's id.", show_default=False)],
    *,
    refund: Annotated[
        bool, typer.Option("--refund", help="Give back what the order could not take.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Let an unpaid order take it, though it is another amount.")
    ] = False,
) -> None:
    """Decide about the money of a flagged order, and clear its flag. Its timeline tells of it.

    With --refund what is left of that money goes back to the buyer; what went back already is left alone, and an order
    that waits for money is cancelled. With --accept an unpaid order becomes paid by that money, with a receipt number: only
    by money of its currency. One that was closed has no pieces reserved any more.

    Example: quartet payment resolve 01a22e68-c59a-713b-8bc3-259019e6435f --refund

    Exit codes: 0 · 1 not flagged, not possible, or refused by Stripe · 2 wrong setting or usage · 6 wrong password · 10 no
    server answers · 13 no such order
    """
    if refund == accept:
        raise typer.BadParameter("say either --refund or --accept")
    if accept:
        run: RunInTransaction = context.obj
        taken = run("payment", lambda db: accept_money(db, order))
        typer.echo(f"accepted: {', '.join(map(str, taken))}; the order is paid")
        return
    returned = _run_with_stripe(context, lambda database, stripe: return_money(database, stripe, order))
    for money, status in returned:
        typer.echo(f"refunded: {money}, {status}")
    typer.echo("the flag is cleared" if returned else "nothing was left to give back; the flag is cleared")


@group.command(short_help="Forget a user whose account was deleted.")
def forget(
    context: typer.Context,
    user: Annotated[UUID, typer.Argument(help="The user's id, as Auth had it.", show_default=False)],
) -> None:
    """Forget a user whose account was deleted: address and name are erased here, and the customer at Stripe is deleted.
    Orders, payments and the ledger stay.

    Example: quartet payment forget 01a22e68-f776-7434-b86e-c149fe91e7ef

    Exit codes: 0 · 1 Stripe cannot be reached, or refuses · 2 wrong setting or usage · 6 wrong password · 10 no server
    answers · 13 no such user
    """
    if not _run_with_stripe(context, lambda database, stripe: forget_user(database, stripe, user)):
        raise NotFound(f"there is no user {user}")
    typer.echo("forgotten; the orders stay")


@events.command("list", short_help="Show events, the newest first.")
def list_(
    context: typer.Context,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Dead letters only.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Events at most.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show events, the newest first: the id, its state, its type, what it is about, and why it was not applied.

    Exit codes: 0 · 6 wrong password · 10 no server answers
    """
    run: RunInTransaction = context.obj
    read = list_dead_letters if failed else list_events
    rows = run("payment", lambda db: read(db, most=limit))
    if as_json:
        _print_json([_event(row) for row in rows])
        return
    for row in rows:
        told = (row.id, _state(row), row.type, row.subject, row.last_error or row.foreign_because)
        typer.echo("  ".join(filter(None, told)))


@events.command(short_help="Show one event with its body.")
def show(
    context: typer.Context,
    event_id: Annotated[str, typer.Argument(help="The event's id, evt_….", show_default=False)],
) -> None:
    """Show one event as JSON, with its body as it came.

    Exit codes: 0 · 6 wrong password · 10 no server answers · 13 no such event
    """
    run: RunInTransaction = context.obj
    row = run("payment", lambda db: find_event(db, event_id))
    if row is None:
        raise NotFound(f"there is no event {event_id}")
    _print_json(_event(row) | {"api_version": row.api_version, "body": json.loads(row.body)})


@events.command(short_help="Apply dead letters once more.")
def replay(
    context: typer.Context,
    event_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[EVENT_ID]...", help="Ids of dead letters.", show_default=False),
    ] = None,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="All dead letters.")] = False,
) -> None:
    """Apply dead letters once more: a running service does within seconds. Nothing is done twice by it.

    Example: quartet payment events replay --failed

    Exit codes: 0 · 2 wrong usage · 6 wrong password · 10 no server answers · 13 one of them is no dead letter
    """
    if failed == bool(event_ids):
        raise typer.BadParameter("name events, or say --failed")
    run: RunInTransaction = context.obj
    number = run("payment", lambda db: replay_events(db, event_ids))
    typer.echo(f"to be applied once more: {_count(number, 'event')}")


async def replay_events(db: AsyncSession, event_ids: list[str] | None) -> int:
    """Make dead letters due, all of them for None; how many. Raises `NotFound` when one of the ids is none."""
    ids = set(event_ids or [row.id for row in await list_dead_letters(db, most=MOST_REPLAYED)])
    number = await QUEUE.replay(db, ids)
    if number < len(ids):
        raise NotFound("some of these events are no dead letters: nothing was changed")
    return number


def _run_with_stripe(
    context: typer.Context, work: Callable[[Database, StripeApi], Awaitable[Result]]
) -> Result:
    access: ServiceAccess = context.obj
    try:
        return asyncio.run(_connected(access.settings("payment"), work))
    except DatabaseError as error:
        raise Failure(f"payment_db does not answer: {error}") from error
    except StripeUnavailable as error:
        raise Failure("Stripe cannot be reached; nothing is lost, try again later") from error
    except StripeRefused as error:
        raise Failure(f"Stripe refuses: {error.message}") from error
    except TurnLost as error:
        raise Failure("another process has begun, since this one was silent for too long") from error


async def _connected(settings: Settings, work: Callable[[Database, StripeApi], Awaitable[Result]]) -> Result:
    # Of the connections that the role may open, the services' pools leave few.
    one = settings.database.model_copy(update={"pool": PoolSettings(min=0, max=1, wait_seconds=30)})
    database = Database(one, application_name="quartet-payment")
    stripe = make_stripe_api(settings, registry=CollectorRegistry())
    async with contextlib.aclosing(stripe), database.running():
        return await work(database, stripe)


def _read_moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time: write 2026-11-01 or 2026-11-01T12:00:00Z") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _shown(difference: Difference) -> dict[str, Any]:
    shown = asdict(difference)
    del shown["is_fixable"]
    return shown


def _state(row: AnyRow) -> str:
    if row.failed_at is not None:
        return "dead"
    if row.done_at is None:
        return "pending"
    return "foreign" if row.foreign_because else "applied"


def _event(row: AnyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "state": _state(row),
        "type": row.type,
        "subject": row.subject,
        "received_at": row.received_at.isoformat(),
        "attempts": row.attempts,
        "order_id": None if row.order_id is None else str(row.order_id),
        "reason": row.last_error or row.foreign_because,
    }


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))
