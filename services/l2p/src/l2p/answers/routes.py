"""`POST /v1/games/{game_id}/answers`."""

from uuid import UUID

from fastapi import APIRouter

from l2p.answers.dependencies import AnswerBatchesDep
from l2p.answers.errors import (
    AlreadyAnswered,
    NotAnOption,
    NotAPlayer,
    QuestionClosed,
    QuestionNotOpen,
    UnknownQuestion,
)
from l2p.answers.schemas import AnswerAccepted, AnswerRequest
from l2p.dependencies import PlayerDep
from l2p.guest_access.errors import GuestNotAllowed
from webcommon.api.problems import Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path

router = APIRouter(
    prefix="/v1/games", tags=["games"], responses=problem_responses(Unauthorized, GuestNotAllowed)
)


@router.post(
    "/{game_id}/answers",
    operation_id="answer_question",
    summary="Answer the open question",
    status_code=202,
    responses=problem_responses(
        NotAPlayer, UnknownQuestion, QuestionNotOpen, QuestionClosed, AlreadyAnswered, NotAnOption
    ),
)
@fast_path
async def answer_question(
    game_id: UUID, body: AnswerRequest, player: PlayerDep, batches: AnswerBatchesDep
) -> AnswerAccepted:
    """The first answer stands, and repeating it gives the same response. What arrives by `closes_at` is in time."""
    time_taken_ms = await batches.submit(
        game_id, user_id=player.id, question_id=body.question_id, answer=body.answer
    )
    return AnswerAccepted(time_taken_ms=time_taken_ms)
