"""`python -m l2p`: serve until a signal."""

from l2p.main import create_app
from l2p.settings import Settings
from webcommon.server import run_service

if __name__ == "__main__":
    run_service(create_app, Settings)
