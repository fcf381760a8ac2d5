"""The start of a service's process. It imports nothing large, so that it controls how the rest is loaded."""

import gc
from importlib import import_module


def launch(package: str) -> None:
    """Load a service, its `main` and `settings`, and run it (`webcommon.app.server.run_service`)."""
    # Loaded modules stay; collecting garbage among them would take a sixth of the start.
    gc.disable()
    create_app = import_module(f"{package}.main").create_app
    settings_class = import_module(f"{package}.settings").Settings
    run_service = import_module("webcommon.app.server").run_service
    gc.freeze()
    gc.enable()
    run_service(create_app, settings_class)
