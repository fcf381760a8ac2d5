"""`python -m tests.libs.tiny_service`."""

from tests.libs.tiny_service.main import Settings, create_app
from webcommon.server import run_service

if __name__ == "__main__":
    run_service(create_app, Settings)
