"""`python -m quartet` is `quartet`."""

import atexit
import gc
import sys

try:
    import importlib
    import signal
except KeyboardInterrupt:  # loading these takes longest before `main` handles signals
    sys.exit(130)


def main() -> None:
    """Run the command. A Ctrl-C while its modules are being loaded ends it silently."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Without it Python collects garbage in all modules before it exits: a seventh of the time of most commands.
    atexit.register(gc.freeze)
    importlib.import_module("quartet.cli").app()


if __name__ == "__main__":
    if not sys.flags.safe_path:
        # `-m` puts the current folder there, whose auth.py or l2p.py would be imported instead of the service.
        del sys.path[0]
    main()
