"""Faults that end a command with one line that says what to do next, each with an exit code of its own.

Failure
├── WrongSettings          2   an unknown or malformed setting
├── PortTaken              3
├── OtherMajorVersion      4   the data folder was made by another PostgreSQL
├── NoPermission           5   a folder cannot be written or reached
├── WrongPassword          6   the server knows another password than the one at hand
├── AlreadyRunning         7   the state folder is in use
├── DiskFull               8
├── NoPostgres             9   no server binaries were found
├── ServerFailed          10   PostgreSQL did not start, stop or answer
├── MigrationFailed       11
├── ServiceFailed         12   a service did not become ready
├── NotFound              13   what was asked for is not there
├── BackupFailed          14
├── DamagedBackup         15   or the wrong key
├── TimeNotReachable      16   no backup leads to that time
└── Refused               17   it would destroy something, and was not told to
"""

from webcommon.commands import Failure, NotFound

__all__ = [
    "AlreadyRunning",
    "BackupFailed",
    "DamagedBackup",
    "DiskFull",
    "Failure",
    "MigrationFailed",
    "NoPermission",
    "NoPostgres",
    "NotFound",
    "OtherMajorVersion",
    "PortTaken",
    "Refused",
    "ServerFailed",
    "ServiceFailed",
    "TimeNotReachable",
    "WrongPassword",
    "WrongSettings",
]


class WrongSettings(Failure):
    exit_code = 2


class PortTaken(Failure):
    exit_code = 3


class OtherMajorVersion(Failure):
    exit_code = 4


class NoPermission(Failure):
    exit_code = 5


class WrongPassword(Failure):
    exit_code = 6


class AlreadyRunning(Failure):
    exit_code = 7


class DiskFull(Failure):
    exit_code = 8


class NoPostgres(Failure):
    exit_code = 9


class ServerFailed(Failure):
    exit_code = 10


class MigrationFailed(Failure):
    exit_code = 11


class ServiceFailed(Failure):
    exit_code = 12


class BackupFailed(Failure):
    exit_code = 14


class DamagedBackup(Failure):
    exit_code = 15


class TimeNotReachable(Failure):
    exit_code = 16


class Refused(Failure):
    exit_code = 17
