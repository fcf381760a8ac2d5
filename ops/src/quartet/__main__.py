"""`python -m quartet` is `quartet`."""

import atexit
import gc
import sys

try:
    import importlib
    import signal
except KeyboardInterrupt:  # these take longer to load than all else that comes before `main` can see to it
    sys.exit(130)


def main() -> None:
    """Run the command. A Ctrl-C while its modules are still being loaded ends it without a word."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Python would look for garbage in all modules before it ends: a seventh of what most commands take.
    atexit.register(gc.freeze)
    importlib.import_module("quartet.cli").app()


if __name__ == "__main__":
    if not sys.flags.safe_path:
        # Put there by `-m`: the current folder, whose l2p.py or auth.py is nobody's service.
        del sys.path[0]
    main()
