"""A look into the folder that mails go to in development. With SMTP, and in production, there is no such route."""

from fastapi import APIRouter, Response

from auth.mail.delivery import FolderDelivery
from auth.mail.dependencies import MailWorkerDep
from auth.mail.schemas import DevelopmentMails
from webcommon.api.problems import NotFound, problem_responses

router = APIRouter(tags=["development"])


@router.get("/dev/mails", operation_id="list_development_mails", responses=problem_responses(NotFound))
async def list_development_mails(worker: MailWorkerDep, response: Response) -> DevelopmentMails:
    """Every mail so far, newest first; those still in the outbox are written first."""
    if not isinstance(worker.delivery, FolderDelivery):
        raise NotFound
    await worker.settle()
    response.headers["Cache-Control"] = "no-store"
    return DevelopmentMails(items=await worker.delivery.read_all())
