"""`python -m l2p`: serve until a signal."""

from webcommon.app.launch import launch

if __name__ == "__main__":
    launch("l2p")
