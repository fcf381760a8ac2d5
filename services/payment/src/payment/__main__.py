"""`python -m payment`: serve until a signal."""

from webcommon.app.launch import launch

if __name__ == "__main__":
    launch("payment")
