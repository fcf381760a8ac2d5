"""`python -m videovault`: serve until a signal."""

from webcommon.launch import launch

if __name__ == "__main__":
    launch("videovault")
