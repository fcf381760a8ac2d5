"""`python -m auth`: serve until a signal."""

from auth.main import create_app
from auth.settings import Settings
from webcommon.server import run_service

if __name__ == "__main__":
    run_service(create_app, Settings)
