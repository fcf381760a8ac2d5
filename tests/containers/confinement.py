"""Checks of images and of what a container may read; changes nothing."""

import json
import re

from tests.containers.engine import PROJECT, SERVICES, Stack, expect

MEGABYTE = 1_000_000
LARGEST_SERVICE = 200 * MEGABYTE
"""Bytes of a service's layers above its base image."""

USER_ID = "10001"
SHARED_NAMES = ("AUTH_AUDIENCE", "AUTH_ISSUER", "AUTH_JWKS_URL")

_LOOK_INTO_IMAGE = """
import importlib.util, json, shutil
packages = ("auth", "l2p", "payment", "videovault", "quartet", "pip", "hatchling")
print(json.dumps({
    "packages": [name for name in packages if importlib.util.find_spec(name)],
    "compilers": [name for name in ("cc", "gcc", "c++", "clang", "make") if shutil.which(name)],
}))
"""

_TRY_DATABASES = """
import asyncio, asyncpg, json, os, pathlib, sys
service = os.environ["SERVICE"]
password = pathlib.Path(f"/run/secrets/{service}/db_password").read_text()
async def enter(user, database):
    try:
        connection = await asyncpg.connect(
            host="shared-postgres", user=user, password=password, database=database, timeout=5)
    except asyncpg.PostgresError:
        return False
    await connection.close()
    return True
async def main():
    names = [f"{name}_db" for name in ("auth", "l2p", "payment", "videovault")] + ["postgres", "template1"]
    own = [name for name in names if await enter(f"{service}_user", name)]
    other = [user for user in (f"{service}_owner", "postgres") if await enter(user, f"{service}_db")]
    print(json.dumps([own, other]))
asyncio.run(main())
"""


def check_image(stack: Stack, service: str, *, base: str) -> str:
    """Check that a service's image is small, has no compiler, and no code of other services; gives a line about it."""
    size, below = (
        int(stack.docker("image", "inspect", "--format", "{{.Size}}", name))
        for name in (f"quartet-{service}", base)
    )
    expect(size - below < LARGEST_SERVICE, f"quartet-{service} adds {size - below} bytes to {base}")
    command = ["run", "--rm", "--network=none", "--entrypoint=python", f"quartet-{service}", "-c"]
    found = json.loads(stack.docker(*command, _LOOK_INTO_IMAGE))
    expect(found["packages"] == [service], f"quartet-{service} holds {found['packages']}")
    expect(not found["compilers"], f"quartet-{service} holds {found['compilers']}")
    return f"{service} {(size - below) / MEGABYTE:.0f} MB"


def check_confinement(stack: Stack, service: str) -> None:
    """Check that a running service has no privileges and can write in /tmp only."""
    found = stack.inspect(service)
    host, user = found["HostConfig"], found["Config"]["User"]
    expect(user.split(":")[0] == USER_ID, f"{service} runs as {user!r}")
    expect(host["ReadonlyRootfs"], f"{service} has a root file system that can be written")
    expect(host["CapDrop"] == ["ALL"] and not host["CapAdd"], f"{service} has capabilities")
    expect("no-new-privileges:true" in host["SecurityOpt"], f"{service} could gain privileges")
    status = stack.execute(service, "cat", "/proc/1/status")
    effective = re.search(r"^CapEff:\s*(\w+)$", status, re.MULTILINE)
    expect(effective and int(effective[1], 16) == 0, f"{service}: the process has capabilities")
    stack.execute(service, "touch", "/opt/quartet/written", expect=1)
    stack.execute(service, "touch", "/tmp/written")  # noqa: S108 - the container's own


def check_knowledge(stack: Stack, service: str) -> set[str]:
    """Check that a service gets only its own settings and secrets; gives the secrets that it can read."""
    for name, value in _environment(stack, service).items():
        own = name.startswith(f"{service.upper()}_") or name in SHARED_NAMES
        strange = any(name.startswith(f"{other.upper()}_") for other in SERVICES)
        expect(own or not strange, f"{service} is told {name}")
        hidden = name.endswith("_FILE") or not re.search("PASSWORD|SECRET", name)
        expect(hidden, f"{service} has {name} in its environment: {len(value)} characters")
    mounts = [(mount.get("Name"), mount["RW"]) for mount in stack.inspect(service)["Mounts"]]
    expect(mounts == [(f"{PROJECT}_{service}-secrets", False)], f"{service} mounts {mounts}")
    folder = f"/run/secrets/{service}"
    files = stack.execute(service, "ls", folder).split()
    expect(files == ["db_password", "secret"], f"{service} can read {files}")
    return {stack.execute(service, "cat", f"{folder}/{file}") for file in files}


def check_databases(stack: Stack, service: str) -> None:
    """Check that from a service's network, with its password, only its own role reaches only its own database."""
    own, others = json.loads(stack.execute(service, "python", "-c", _TRY_DATABASES))
    expect(own == [f"{service}_db"], f"{service}_user can enter {own}")
    expect(not others, f"the password of {service}_user opens {others}")


def check_server(stack: Stack) -> str:
    """Check that only the superuser on the server's own socket connects without a password."""
    psql = (
        "psql",
        "--no-psqlrc",
        "--no-password",
        "--tuples-only",
        "--no-align",
        "--command=SHOW server_version",
    )
    version = stack.execute("shared-postgres", *psql, "--username=postgres").strip()
    stack.execute("shared-postgres", *psql, "--username=postgres", "--host=127.0.0.1", expect=2)
    stack.execute("shared-postgres", *psql, "--username=auth_user", "--dbname=auth_db", expect=2)
    return version


def check_password(stack: Stack, password: str) -> None:
    """Check that the superuser connects over TCP with this password."""
    tried = ("psql", "--no-psqlrc", "--host=127.0.0.1", "--username=postgres", "--command=SELECT 1")
    stack.compose("exec", "-T", "-e", f"PGPASSWORD={password}", "shared-postgres", *tried)


def _environment(stack: Stack, service: str) -> dict[str, str]:
    told = stack.execute(service, "python", "-c", "import json, os; print(json.dumps(dict(os.environ)))")
    found: dict[str, str] = json.loads(told)
    configured: list[str] = stack.inspect(service)["Config"]["Env"]
    # A name that is passed on but not set stands there without a value, and is not in the process's environment.
    return found | dict(entry.split("=", 1) for entry in configured if "=" in entry)
