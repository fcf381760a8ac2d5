"""`python -m videovault`: serve until told to stop."""

from videovault.main import create_app
from videovault.settings import Settings
from webcommon.server import run_service

if __name__ == "__main__":
    run_service(create_app, Settings)
