"""`python -m l2p`: serve until a signal."""

from webcommon.launch import launch

if __name__ == "__main__":
    launch("l2p")
