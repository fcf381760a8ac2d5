"""The objects that all requests of Learn2Play share."""

from dataclasses import dataclass

from l2p.answers.batches import AnswerBatches
from l2p.clock.clock import DatabaseClock
from l2p.codes.service import CodeFinder
from l2p.driver.driver import Driver
from l2p.driver.phases import Phases
from l2p.guest_access.access import GuestAccess
from l2p.live.parts import LiveParts
from l2p.log.log import LobbyLog
from l2p.presence.presence import Presence
from l2p.question_sets.reader import FileReader
from l2p.ratings.calculator import RatingCalculator
from l2p.seats.seats import LobbySeats
from l2p.tokens import TokenSigner
from l2p.turns import LobbyTurns
from webcommon.accounts.passwords import PasswordHasher
from webcommon.accounts.provisioning.service import UserProvisioner
from webcommon.accounts.throttling.guard import Guard


@dataclass(frozen=True, kw_only=True)
class Components:
    """Each is asked for by its type (`webcommon.app.state.component`)."""

    signer: TokenSigner
    guard: Guard
    codes: CodeFinder
    hasher: PasswordHasher
    provisioner: UserProvisioner
    file_reader: FileReader
    log: LobbyLog
    clock: DatabaseClock
    batches: AnswerBatches
    driver: Driver
    calculator: RatingCalculator
    phases: Phases
    live: LiveParts
    presence: Presence
    guest_access: GuestAccess
    turns: LobbyTurns
    seats: LobbySeats
