"""What to do about a dear statement, by its plan, its counters, and the statements beside it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from quartet.inspection.statements import Statement

Kind = Literal["missing index", "sequential scan", "N+1", "complex join", "no limit"]
PlanNode = Mapping[str, Any]

LARGE_ROWS = 10_000
"""A smaller table is read whole as fast as by an index."""

SELECTIVE = 0.1
"""An index is of no use for a condition that more of the table's rows meet."""

MANY_JOINS = 4
DEAR_COST = 1000.0
PAGE_ROWS = 1000

REPEATED_CALLS = 50
ROWS_OF_A_LIST = 5
NEARLY_AS_MANY = 0.8

# With VERBOSE a column stands as alias.column. A column inside a function's call is no match: its index would not be used.
_CONDITION = re.compile(r'(?<!\w\()\b(\w+)\."?(\w+)"?\)?(?:::[\w ]+(?:\[\])?)?\s(=|<=|>=|<|>)\s')
_SORT_KEY = re.compile(r'^(\w+)\."?(\w+)"?(?: DESC| ASC| NULLS \w+)*$')


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table: an estimate of its rows, its columns, and the columns that lead an index of any kind."""

    schema: str
    name: str
    rows: float
    columns: frozenset[str]
    indexed: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Advice:
    """A cause, and what to do. `tried`: whether the planner took the index when it was offered to it (hypopg)."""

    kind: Kind
    what: str
    fix: str
    tried: bool = False


@dataclass(frozen=True, kw_only=True)
class IndexProposal:
    """An index that is not there, and may help a scan."""

    table: Table
    columns: tuple[str, ...]

    @property
    def definition(self) -> str:
        """What stands after CREATE INDEX."""
        columns = ", ".join(f'"{column}"' for column in self.columns)
        return f'ON "{self.table.schema}"."{self.table.name}" ({columns})'


@dataclass(frozen=True, kw_only=True)
class LargeScan:
    """A large table that is read whole, and the index against that, if there may be one."""

    table: Table
    proposal: IndexProposal | None


def find_large_scans(plan: PlanNode, tables: Mapping[tuple[str, str], Table]) -> list[LargeScan]:
    """The sequential scans of large tables in a plan (EXPLAIN VERBOSE), each table once."""
    found: dict[tuple[str, str], LargeScan] = {}
    for node, above in _walk(plan, ()):
        key = (node.get("Schema", ""), node.get("Relation Name", ""))
        table = tables.get(key)
        if node["Node Type"] == "Seq Scan" and table is not None and table.rows >= LARGE_ROWS:
            found.setdefault(key, LargeScan(table=table, proposal=_propose(node, above, table)))
    return list(found.values())


def advise_scan(scan: LargeScan, *, tried: bool) -> Advice:
    """What to say of a scan whose proposed index was tried, or could not be."""
    name, rows = scan.table.name, f"{scan.table.rows:,.0f}"
    if scan.proposal is None:
        return Advice(
            kind="sequential scan",
            what=f"reads all {rows} rows of {name}, and no other index is in sight that would help",
            fix="ask for fewer rows, or keep what it computes; `ANALYZE` if the planner passes over an index that is there",
        )
    return Advice(
        kind="missing index",
        what=f"reads all {rows} rows of {name} to find few",
        fix=f"a migration with CREATE INDEX CONCURRENTLY {scan.proposal.definition}"
        + ("" if tried else " (untried: the extension hypopg is not installed)"),
        tried=tried,
    )


def advise_join(plan: PlanNode) -> Advice | None:
    """On a statement that joins many tables at a high price."""
    joins = sum(
        node["Node Type"] in ("Nested Loop", "Hash Join", "Merge Join") for node, _ in _walk(plan, ())
    )
    if joins < MANY_JOINS or plan.get("Total Cost", 0.0) < DEAR_COST:
        return None
    return Advice(
        kind="complex join",
        what=f"joins {joins + 1} tables",
        fix="filter and limit before joining, join less, or keep the result in a table of its own",
    )


def advise_page(statement: Statement) -> Advice | None:
    """On a list without an end."""
    rows = statement.rows / statement.calls
    has_limit = re.search(r"\b(LIMIT|FETCH)\b", statement.text, re.IGNORECASE)
    if statement.keyword not in ("SELECT", "WITH") or rows < PAGE_ROWS or has_limit:
        return None
    return Advice(
        kind="no limit",
        what=f"gives {rows:,.0f} rows a call, and has no LIMIT",
        fix="pages by keyset: WHERE (sort column, id) > (…) ORDER BY … LIMIT …",
    )


def advise_repetition(statement: Statement, others: Iterable[Statement]) -> Advice | None:
    """On a statement that runs once for each row of another (N+1)."""
    if statement.calls < REPEATED_CALLS or not re.search(r"=\s*(ANY\s*\(\s*)?\$\d", statement.text):
        return None
    for other in others:
        is_list = other.keyword in ("SELECT", "WITH") and other.rows >= ROWS_OF_A_LIST * other.calls
        alike = min(statement.calls, other.rows) >= NEARLY_AS_MANY * max(statement.calls, other.rows)
        if other.id != statement.id and is_list and alike:
            return Advice(
                kind="N+1",
                what=f"runs {statement.calls:,} times, once for each of the {other.rows:,} rows that another gives:"
                f" {' '.join(other.text.split())[:120]}",
                fix="one statement for all rows: a JOIN, or WHERE … = ANY($1)",
            )
    return None


def _walk(node: PlanNode, above: tuple[PlanNode, ...]) -> Iterator[tuple[PlanNode, tuple[PlanNode, ...]]]:
    """Every node with those above it, the nearest last."""
    yield node, above
    for child in node.get("Plans", ()):
        yield from _walk(child, (*above, node))


def _propose(scan: PlanNode, above: tuple[PlanNode, ...], table: Table) -> IndexProposal | None:
    """Columns that are compared for equality, then one that is compared for order or sorted by for a page."""
    condition = scan.get("Filter", "")
    is_selective = bool(condition) and scan["Plan Rows"] <= SELECTIVE * table.rows
    sorted_by = _sort_column(scan, above)
    if (not is_selective and sorted_by is None) or " OR " in condition:
        return None
    compared = [
        (column, operator)
        for alias, column, operator in _CONDITION.findall(condition)
        if alias == scan["Alias"]
    ]
    equal = [column for column, operator in compared if operator == "="]
    ordered = [column for column, operator in compared if operator != "="] + (
        [sorted_by] if sorted_by else []
    )
    columns = dict.fromkeys((*equal[:3], *ordered[:1]))
    # The planner has an index that is led by one of these, also for a part of the rows, and does not take it.
    wanted = tuple(column for column in columns if column in table.columns)
    if not wanted or table.indexed & set(wanted):
        return None
    return IndexProposal(table=table, columns=wanted)


def _sort_column(scan: PlanNode, above: tuple[PlanNode, ...]) -> str | None:
    """The column that the rows of a scan are sorted by, of which a LIMIT takes the first."""
    kinds = [node["Node Type"] for node in above[-3:] if node["Node Type"] not in ("Gather", "Gather Merge")]
    if kinds[-2:] != ["Limit", "Sort"]:
        return None
    keys = next(node["Sort Key"] for node in reversed(above) if node["Node Type"] == "Sort")
    match = _SORT_KEY.match(keys[0])
    return match[2] if match and match[1] == scan["Alias"] else None
