"""The dependency of routes on the batches of answers."""

from typing import Annotated

from l2p.answers.batches import AnswerBatches
from webcommon.app.state import component

AnswerBatchesDep = Annotated[AnswerBatches, component(AnswerBatches)]
