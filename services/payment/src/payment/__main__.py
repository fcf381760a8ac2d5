"""`python -m payment`: serve until a signal."""

from payment.main import create_app
from payment.settings import Settings
from webcommon.server import run_service

if __name__ == "__main__":
    run_service(create_app, Settings)
