"""Dependencies of the routes and pages that request a link."""

from typing import Annotated

from fastapi import Depends

from auth.email_links.service import MailRequests
from auth.mail.dependencies import OutboxDep
from auth.settings import SettingsDep
from dbcommon.session import DatabaseDep
from webcommon.accounts.throttling.dependencies import ClientInfoDep, GuardDep


async def get_mail_requests(
    database: DatabaseDep, outbox: OutboxDep, guard: GuardDep, client: ClientInfoDep, settings: SettingsDep
) -> MailRequests:
    """Requests for links by this HTTP request."""
    return MailRequests(
        database=database, outbox=outbox, guard=guard, client=client, limit=settings.mail_request_limit
    )


MailRequestsDep = Annotated[MailRequests, Depends(get_mail_requests)]
"""Requests for links by this HTTP request; each counts by its network."""
