"""Write Grafana's boards, deploy/grafana/boards/*.json: .venv/bin/python -m deploy.grafana.make_boards

The files are what Grafana reads; a test compares them with what is written here.
"""

import json
from pathlib import Path
from typing import Any

from deploy.grafana.postgres_board import postgres_board
from deploy.grafana.service_boards import AUTH, L2P, PAYMENT, VIDEOVAULT, service_board

FOLDER = Path(__file__).parent / "boards"


def boards() -> dict[str, dict[str, Any]]:
    """Each board by the name of its file."""
    return {
        "auth": service_board("auth", "Auth", AUTH),
        "l2p": service_board("l2p", "Learn2Play", L2P),
        "payment": service_board("payment", "Payment", PAYMENT),
        "videovault": service_board("videovault", "VideoVault", VIDEOVAULT),
        "postgres": postgres_board(),
    }


def as_text(board: dict[str, Any]) -> str:
    """The board as its file has it."""
    return json.dumps(board, indent=2) + "\n"


def main() -> None:
    for name, board in boards().items():
        FOLDER.joinpath(f"{name}.json").write_text(as_text(board))


if __name__ == "__main__":
    main()
