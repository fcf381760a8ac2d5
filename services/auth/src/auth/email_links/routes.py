"""Routes that use and request links of mails. Only a POST uses a link: mail scanners send GET and HEAD."""

from fastapi import APIRouter, Response

from auth.email_links import service
from auth.email_links.dependencies import MailRequestsDep
from auth.email_links.errors import InvalidLink
from auth.email_links.schemas import AddressBody, LinkToken, PasswordReset
from auth.errors import EmailTaken
from auth.mail.dependencies import OutboxDep
from auth.schemas import RegistrationAnswer
from auth.users.dependencies import HasherDep
from dbcommon.session import DatabaseDep, SessionDep
from webcommon.accounts.throttling.throttle import TooManyAttempts
from webcommon.api.problems import problem_responses

router = APIRouter(prefix="/v1/auth", tags=["e-mail"])


@router.post(
    "/email/verify",
    operation_id="confirm_email",
    responses=problem_responses(InvalidLink, EmailTaken),
)
async def confirm_email(body: LinkToken, db: SessionDep) -> RegistrationAnswer:
    """Use the link of a mail about an address: confirm it, change to it, or revert the change. It works once."""
    return RegistrationAnswer(user=await service.confirm(body.token, db=db))


@router.post(
    "/email/resend",
    operation_id="resend_verification",
    status_code=202,
    response_class=Response,
    responses=problem_responses(TooManyAttempts),
)
async def resend_verification(body: AddressBody, requests: MailRequestsDep) -> Response:
    """Request the link that confirms an address. The answer is the same whether or not a mail will be sent."""
    await requests.request_link("verify", body.email)
    return Response(status_code=202)


@router.post(
    "/password/forgot",
    operation_id="request_password_reset",
    status_code=202,
    response_class=Response,
    responses=problem_responses(TooManyAttempts),
)
async def request_password_reset(body: AddressBody, requests: MailRequestsDep) -> Response:
    """Request the link that sets a new password. The answer is the same whether or not a mail will be sent."""
    await requests.request_link("reset", body.email)
    return Response(status_code=202)


@router.post(
    "/password/reset",
    operation_id="reset_password",
    status_code=204,
    responses=problem_responses(InvalidLink),
)
async def reset_password(
    body: PasswordReset, database: DatabaseDep, hasher: HasherDep, outbox: OutboxDep
) -> None:
    """Set a new password by the link of a mail. Every session ends. The link works once."""
    await service.reset_password(body, database=database, hasher=hasher, outbox=outbox)
