"""Checks the values that services will get by their own settings classes, before anything is started."""

from collections.abc import Mapping

from dbcommon.settings_error import SettingsError
from quartet.errors import WrongSettings
from quartet.provision.plan import SERVICES
from quartet.settings.catalogue import settings_class
from quartet.settings.operator import OperatorSettings, Server
from quartet.settings.secrets_file import new_secret

_ANY_SERVER = Server(host="127.0.0.1", port=5432)


def check_service_settings(settings: OperatorSettings, *, process: Mapping[str, str]) -> None:
    """Raises WrongSettings with a line for each value that a service would refuse.

    Without any given setting it returns at once, since importing the services is slow.
    """
    told = [name for name in settings.explicit if name in settings.known]
    if not any(settings.known[name].services and not name.endswith("_PORT") for name in told):
        return
    lines: list[str] = []
    for service in SERVICES:
        environment = settings.service_environment(service, server=_ANY_SERVER, process=process)
        prefix = service.upper()
        generated = [f"{prefix}_SECRET"]
        if f"{prefix}_DATABASE_URL" not in environment:
            generated.append(f"{prefix}_DB_PASSWORD")
        for name in generated:
            if f"{name}_FILE" not in environment:
                environment.setdefault(name, new_secret())  # as it will be
        try:
            settings_class(service).from_environment(environment)
        except SettingsError as error:
            lines += error.lines
    if lines:
        raise WrongSettings("\n".join(dict.fromkeys(lines)))
