"""The statements that read each receiver's own row of an event."""

import json
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database

_OWN_RESULTS = DriverText(
    text(
        """
        SELECT part.user_id, jsonb_build_object(
            'answer', given.answer, 'is_correct', coalesce(given.is_correct, false),
            'time_taken_ms', given.time_taken_ms, 'points', result.points, 'score', result.score,
            'rank', result.rank, 'streak', result.streak
        )::text AS row
        FROM question_results AS result JOIN game_participants AS part ON part.id = result.participant_id
        LEFT JOIN answers AS given ON given.question_id = result.question_id AND given.participant_id = part.id
        WHERE result.question_id = :id AND part.user_id = ANY(:user_ids)
        """
    ).bindparams(bindparam("id", type_=Uuid()), bindparam("user_ids", type_=ARRAY(Uuid())))
)

_OWN_RANKS = DriverText(
    text(
        """
        SELECT part.user_id, jsonb_build_object(
            'score', part.score, 'correct_answers', part.correct_answers, 'rank', part.rank,
            'rating_before', change.rating_before, 'rating', change.rating
        )::text AS row
        FROM game_participants AS part LEFT JOIN rating_changes AS change ON change.participant_id = part.id
        WHERE part.game_id = :id AND part.user_id = ANY(:user_ids)
        """
    ).bindparams(bindparam("id", type_=Uuid()), bindparam("user_ids", type_=ARRAY(Uuid())))
)


async def find_own_rows(
    database: Database, *, event_type: str, data: str, user_ids: Collection[UUID]
) -> dict[UUID, str]:
    """The JSON of each user's own row of a `question.closed` or a `game.finished`."""
    event = json.loads(data)
    is_question = event_type == "question.closed"
    statement = _OWN_RESULTS if is_question else _OWN_RANKS
    identifier = UUID(event["question_id" if is_question else "game_id"])
    records = await database.fetch_records(statement, id=identifier, user_ids=list(user_ids))
    return {record["user_id"]: record["row"] for record in records}
