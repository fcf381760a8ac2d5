"""Movements of the money of one order."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from payment.models import Account


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A movement: what each account gets, in `currency`. The amounts sum to zero."""

    name: str
    currency: str
    amounts: Mapping[Account, Decimal]


@dataclass
class Books:
    """The movements of an order: those that are `booked`, and `new` ones, which are to be stored."""

    booked: dict[str, Movement]
    new: list[Movement] = field(default_factory=list)

    @classmethod
    def of(cls, movements: Iterable[Movement]) -> "Books":
        """Books with these movements."""
        return cls({movement.name: movement for movement in movements})

    def __contains__(self, name: str) -> bool:
        return name in self.booked

    def __getitem__(self, name: str) -> Movement:
        return self.booked[name]

    def move(self, name: str, amount: Decimal, currency: str, *, source: Account, target: Account) -> None:
        """Book a movement from `source` to `target`, once: nothing happens when its name is known or the amount is 0."""
        if name not in self.booked and amount:
            movement = Movement(name=name, currency=currency, amounts={source: -amount, target: amount})
            self.booked[name] = movement
            self.new.append(movement)

    def names(self, prefix: str) -> Iterator[str]:
        """The names of movements that begin so."""
        return (name for name in self.booked if name.startswith(prefix))

    def balance(self, account: Account, currency: str) -> Decimal:
        """The sum of an account's entries in a currency."""
        amounts = (
            movement.amounts.get(account, Decimal(0))
            for movement in self.booked.values()
            if movement.currency == currency
        )
        return sum(amounts, Decimal(0))


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What an order has been paid, given back, and lost to disputes that are open, as the ledger says."""

    paid: Decimal
    refunded: Decimal
    disputed: Decimal

    @classmethod
    def of(cls, books: Books, currency: str) -> "Figures":
        """The figures of an order in this currency."""
        return cls(
            paid=-books.balance("sales", currency),
            refunded=books.balance("refunds", currency) + books.balance("chargebacks", currency),
            disputed=books.balance("disputes", currency),
        )
