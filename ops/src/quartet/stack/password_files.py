"""The files by which the services of a running stack follow their database passwords: the environment of a process cannot change."""

import os
from collections.abc import Mapping

from quartet.home import Home
from quartet.provision.plan import SERVICES
from quartet.settings import OperatorSettings
from quartet.settings.secrets_file import write_privately


def write_password_files(settings: OperatorSettings) -> None:
    """Write the database password of each service into its file, where its processes look when the server refuses theirs.

    So the files come first, then the roles: no connection fails in between.
    """
    folder = settings.home.passwords
    folder.mkdir(mode=0o700, exist_ok=True)
    for service in SERVICES:
        file = folder / service
        password = settings.secret(f"{service.upper()}_DB_PASSWORD")
        if password and not (file.exists() and file.read_text(encoding="utf-8") == password):
            write_privately(file, password)
            os.chown(file, folder.stat().st_uid, -1)  # root may rotate what another user's stack reads


def with_password_file(environment: Mapping[str, str], service: str, home: Home) -> dict[str, str]:
    """A service's environment with the file of its database password in the password's place."""
    name = f"{service.upper()}_DB_PASSWORD"
    if name not in environment:
        return dict(environment)
    told = {each: value for each, value in environment.items() if each != name}
    return told | {f"{name}_FILE": str(home.passwords / service)}
