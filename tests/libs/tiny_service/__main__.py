"""`python -m tests.libs.tiny_service`."""

from webcommon.app.launch import launch

if __name__ == "__main__":
    launch("tests.libs.tiny_service")
