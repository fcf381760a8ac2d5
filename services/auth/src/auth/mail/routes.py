"""The route that shows the mails of the development folder. With SMTP, and so in production, it does not exist."""

from fastapi import APIRouter, Response

from auth.mail.delivery import FolderDelivery
from auth.mail.dependencies import MailWorkerDep
from auth.mail.schemas import DevelopmentMails
from webcommon.api.problems import NotFound, problem_responses

router = APIRouter(tags=["development"])


@router.get("/dev/mails", operation_id="list_development_mails", responses=problem_responses(NotFound))
async def list_development_mails(worker: MailWorkerDep, response: Response) -> DevelopmentMails:
    """All mails, the newest first. Pending mails are sent first."""
    if not isinstance(worker.delivery, FolderDelivery):
        raise NotFound
    await worker.settle()
    response.headers["Cache-Control"] = "no-store"
    return DevelopmentMails(items=await worker.delivery.read_all())
