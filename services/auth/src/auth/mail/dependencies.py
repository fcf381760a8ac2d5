"""What routes ask of the mails."""

from typing import Annotated

from auth.mail.outbox import Outbox
from auth.mail.worker import MailWorker
from webcommon.app.state import component

OutboxDep = Annotated[Outbox, component(Outbox)]
"""Where mails are put."""

MailWorkerDep = Annotated[MailWorker, component(MailWorker)]
"""What sends them."""
