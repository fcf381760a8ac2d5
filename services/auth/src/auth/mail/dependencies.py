"""What routes ask of the mails."""

from typing import Annotated

from auth.mail.outbox import Outbox
from auth.mail.worker import MailWorker
from webcommon.state import kept_as

OutboxDep = Annotated[Outbox, kept_as("outbox")]
"""Where mails are put."""

MailWorkerDep = Annotated[MailWorker, kept_as("mail_worker")]
"""What sends them."""
