"""What the routes and pages by which anybody asks for a mail have in common."""

from typing import Annotated

from fastapi import Depends

from auth.dependencies import SettingsDep
from auth.email_links.service import MailRequests
from auth.mail.dependencies import OutboxDep
from dbcommon.session import DatabaseDep
from webcommon.accounts.throttling.dependencies import ClientInfoDep, GuardDep


async def get_mail_requests(
    database: DatabaseDep, outbox: OutboxDep, guard: GuardDep, client: ClientInfoDep, settings: SettingsDep
) -> MailRequests:
    """Where this request may ask for a mail."""
    return MailRequests(
        database=database, outbox=outbox, guard=guard, client=client, limit=settings.mail_request_limit
    )


MailRequestsDep = Annotated[MailRequests, Depends(get_mail_requests)]
"""Where this request may ask for a mail; asking counts by its network."""
