"""Dependencies of routes that send mails."""

from typing import Annotated

from auth.mail.outbox import Outbox
from auth.mail.worker import MailWorker
from webcommon.app.state import component

OutboxDep = Annotated[Outbox, component(Outbox)]

MailWorkerDep = Annotated[MailWorker, component(MailWorker)]
