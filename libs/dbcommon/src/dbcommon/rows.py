"""Types of statements and rows whose columns are visible in the code right above."""

from typing import Any, TypeAlias

from sqlalchemy import Row, Select

AnySelect: TypeAlias = Select[*tuple[Any, ...]]
AnyRow: TypeAlias = Row[*tuple[Any, ...]]
