"""Start the container stack, break parts of it, and check that it recovers; on any Docker engine (DOCKER_HOST), by hand.

    python -m tests.containers.drill                                  build, then drill on PostgreSQL 18
    python -m tests.containers.drill --postgres postgres:15           on another one; may be given several times
    python -m tests.containers.drill --no-build                       with the images that are there

It uses a project of its own, `quartet-drill`, with volumes of its own that are deleted at the end; only the
published ports (5500, 3001, 3004, 5100, 5432, or what AUTH_PORT … say) must be free. Takes three minutes for each PostgreSQL.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass, field

from tests.containers.confinement import (
    check_confinement,
    check_databases,
    check_image,
    check_knowledge,
    check_password,
    check_server,
)
from tests.containers.engine import (
    LONG_RUNNING,
    SERVICES,
    DrillFailed,
    Stack,
    expect,
    say,
    wait_until,
)
from tests.containers.story import Services, Story

GONE_SECONDS = 3.0
BACK_SECONDS = 10.0
START_SECONDS = 180.0
"""Far above any machine's start; catches one that never ends."""
PYTHON_IMAGE = "python:3.12-slim-bookworm"
GIVEN_PASSWORD = "p@ss:/w%rd?#[]é of the environment"
CHANGED = {
    *("l2p/db_password", "migrate/l2p_db_password"),
    *("postgres/postgres_password", "migrate/postgres_password", "migrate/postgres_password.before"),
}
PRODUCTION = {
    "QUARTET_ENV": "production",
    "AUTH_ISSUER": "https://auth.example.com",
    "L2P_ISSUER": "https://quiz.example.com",
    "AUTH_SMTP_HOST": "mail.example.com",
    "STRIPE_STANDIN": "0",
    "STRIPE_SECRET_KEY": "sk_live_0123456789",
    "STRIPE_PUBLISHABLE_KEY": "pk_live_0123456789",
    "STRIPE_WEBHOOK_SECRETS": "whsec_0123456789",
    "BACKUP_DESTINATION": "/var/lib/quartet/backups",
    "BACKUP_RECIPIENT": "age1mk2mge9a40667qt6yjxh6v8c6fx26626ae6keqvmkpgvh99k65rq57pcm7",
}
ALL_UP = dict.fromkeys(SERVICES, 200)
ALL_OUT = dict.fromkeys(SERVICES, 503)


@dataclass
class Drill:
    """One stack on one PostgreSQL, from its creation to its removal."""

    stack: Stack
    services: Services = field(init=False)
    story: Story = field(init=False)

    def run(self) -> None:
        """Run every step; each starts from the state that the one before left. Raises DrillFailed."""
        self.start()
        self.inspect()
        self.refuse_open_access()
        self.stop_database()
        self.kill_database()
        self.restart_database()
        self.kill_services()
        self.repeat_up()
        self.replace()
        self.change_passwords()
        self.run_in_production()

    def start(self) -> None:
        """Start the stack, wait for health, and use the four services."""
        say(f"up, from empty volumes: healthy after {self.stack.up():.1f} s")
        self.services = Services.published_by(self.stack)
        self.stack.port("shared-postgres", 5432)
        expect(self.services.statuses("/readyz") == ALL_UP, "healthy, but not ready")
        self.story = Story(self.services)
        self.story.begin(self.stack)
        say(f"registered, signed in, granted, and kept {self.story.check()} things")

    def inspect(self) -> None:
        """Check images, confinement and access, without changing anything."""
        base = os.environ.get("PYTHON_IMAGE", PYTHON_IMAGE)
        say(
            "layers above the base: "
            + ", ".join(check_image(self.stack, name, base=base) for name in SERVICES)
        )
        known: list[str] = []
        for service in SERVICES:
            check_confinement(self.stack, service)
            check_databases(self.stack, service)
            known += check_knowledge(self.stack, service)
        expect(len(set(known)) == 2 * len(SERVICES), "two services share a secret")
        expect(all(len(secret) >= 32 for secret in known), "a secret is short")
        say(f"each service knows its own two secrets alone; PostgreSQL {check_server(self.stack)}")

    def refuse_open_access(self) -> None:
        """VideoVault refuses to run without tokens in a container, since its port is not loopback."""
        told = self.stack.compose(
            *("run", "--rm", "-T", "--no-deps", "--env=VIDEOVAULT_ACCESS=open", "videovault"), expect=2
        )
        expect("VIDEOVAULT_ACCESS" in told, f"VIDEOVAULT_ACCESS=open was refused without a word: {told}")
        say("VIDEOVAULT_ACCESS=open is refused")

    def stop_database(self) -> None:
        """While the database is stopped, services are alive but not ready; afterwards they become ready by themselves."""
        before = self.stack.started_at(*SERVICES)
        self.stack.compose("stop", "shared-postgres")
        gone = self._wait_for("/readyz", ALL_OUT, seconds=GONE_SECONDS)
        expect(self.services.statuses("/livez") == ALL_UP, "a service without its database is not alive")
        self.stack.compose("start", "shared-postgres")
        back = self._wait_for("/readyz", ALL_UP, seconds=BACK_SECONDS)
        expect(self.stack.started_at(*SERVICES) == before, "a service was restarted")
        self.story.check()
        say(
            f"database stopped: 503 after {gone:.1f} s; started: 200 after {back:.1f} s, no service restarted"
        )

    def kill_database(self) -> None:
        """kill -9 of the server while rows are written: it restarts by itself, with every committed row."""
        before = self.stack.started_at(*SERVICES)
        self.story.add()
        server = self.stack.inspect("shared-postgres")
        self._kill(int(server["State"]["Pid"]))
        restarted = wait_until(
            lambda: self.stack.inspect("shared-postgres")["RestartCount"] > server["RestartCount"],
            seconds=BACK_SECONDS,
            told="shared-postgres restarts by itself",
        )
        recovered, back = self._wait_for_database()
        expect(self.stack.started_at(*SERVICES) == before, "a service was restarted")
        say(
            f"kill -9 of the server: restarted after {restarted:.1f} s, recovered in {recovered:.1f} s, all ready"
            f" {back:.1f} s later, {self.story.check()} things are there"
        )

    def restart_database(self) -> None:
        """A restart while rows are written: each request succeeds or gets 503, and every success is kept."""
        before = self.stack.started_at(*SERVICES)

        def restart() -> None:
            self.stack.compose("restart", "shared-postgres")
            self._wait_for_database()

        told = self.story.add_during(restart)
        expect(set(told) <= {201, 503} and told[201], f"answers while the server restarted: {dict(told)}")
        expect(self.stack.started_at(*SERVICES) == before, "a service was restarted")
        say(f"server restarted under load: {dict(told)}, {self.story.check()} things are there")

    def kill_services(self) -> None:
        """kill -9 of all services at once: the engine restarts them, and they become ready."""
        found = {service: self.stack.inspect(service) for service in SERVICES}
        for it in found.values():
            self._kill(int(it["State"]["Pid"]))
        wait_until(
            lambda: all(
                self.stack.inspect(service)["RestartCount"] > it["RestartCount"]
                for service, it in found.items()
            ),
            seconds=START_SECONDS,
            told="each service restarts by itself",
        )
        back = self._wait_for("/readyz", ALL_UP, seconds=START_SECONDS)
        say(f"kill -9 of each service: all ready {back:.1f} s later, {self.story.check()} things are there")

    def repeat_up(self) -> None:
        """A second `up` changes nothing."""
        before, secrets, logged = self.stack.started_at(*LONG_RUNNING), self._secrets(), self._migration_log()
        seconds = self.stack.up()
        expect(self.stack.started_at(*LONG_RUNNING) == before, "a second `up` restarted something")
        expect(self._secrets() == secrets, "a second `up` changed a secret")
        told = self._migration_log()[len(logged) :]
        expect(len(told) == 1, f"a second `up` changed the server: {told}")
        say(f"a second up changes nothing, in {seconds:.1f} s")

    def replace(self) -> None:
        """`down` stops gracefully and removes the containers; the next `up` has all data and secrets."""
        secrets = self._secrets()
        started = time.monotonic()
        self.stack.compose("stop")
        stopped = time.monotonic() - started
        codes = {service: self.stack.inspect(service)["State"]["ExitCode"] for service in LONG_RUNNING}
        expect(set(codes.values()) == {0}, f"exit codes after a graceful stop: {codes}")
        self.stack.compose("down")
        seconds = self.stack.up()
        expect(self._secrets() == secrets, "down and up changed a secret")
        say(
            f"stopped in {stopped:.1f} s with exit code 0; up again in {seconds:.1f} s with {self.story.check()} things"
        )

    def change_passwords(self) -> None:
        """Passwords that the environment gives are used, and rotated in a server that had others."""
        before = self._secrets()
        self.stack.environment |= {
            "L2P_DB_PASSWORD": GIVEN_PASSWORD,
            "POSTGRES_PASSWORD": GIVEN_PASSWORD[::-1],
        }
        self.stack.up()
        now = self._secrets()
        changed = {place for place in now if now[place] != before.get(place)}
        expect(changed == CHANGED, f"two passwords changed {changed}")
        told = self.stack.execute("l2p", "cat", "/run/secrets/l2p/db_password")
        expect(told == GIVEN_PASSWORD, "the service does not have the password that was given")
        expect(self.services.statuses("/readyz") == ALL_UP, "not ready after a changed password")
        check_databases(self.stack, "l2p")
        check_password(self.stack, GIVEN_PASSWORD[::-1])
        say(f"passwords of the environment were taken over; {self.story.check()} things are there")

    def run_in_production(self) -> None:
        """Production refuses URLs without TLS, and runs with the https URLs of a proxy."""
        unsafe = ("run", "--rm", "-T", "--no-deps", "--env=QUARTET_ENV=production")
        for service in SERVICES:
            told = self.stack.compose(*unsafe, service, expect=2)
            expect("AUTH_ISSUER: production needs https" in told, f"{service} in production told {told}")
        self.stack.environment |= PRODUCTION
        self.stack.up()
        expect(self.services.statuses("/readyz") == ALL_UP, "not ready in production")
        say(f"production refuses http; with https {self.story.check()} things are there")

    def _wait_for_database(self) -> tuple[float, float]:
        """The seconds until the server answers, and those until then all services are ready."""
        asked = ("exec", "-T", "shared-postgres", "pg_isready", "--host=127.0.0.1")
        recovered = wait_until(
            lambda: "accepting connections" in self.stack.compose(*asked, expect=None),
            seconds=START_SECONDS,
            told="the server answers",
        )
        return recovered, self._wait_for("/readyz", ALL_UP, seconds=BACK_SECONDS)

    def _wait_for(self, path: str, expected: dict[str, int], *, seconds: float) -> float:
        told = f"{path} is {sorted(set(expected.values()))} everywhere"
        return wait_until(lambda: self.services.statuses(path) == expected, seconds=seconds, told=told)

    def _secrets(self) -> dict[str, str]:
        """A digest of each file of secrets."""
        command = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "sh", "secrets", "-c")
        told = self.stack.compose(*command, "cd /secrets && sha256sum */*")
        return {place: digest for digest, place in (line.split() for line in told.splitlines())}

    def _migration_log(self) -> list[str]:
        """The lines of all runs of `migrate`; a run that changes nothing prints one line."""
        return self.stack.compose("logs", "--no-log-prefix", "migrate").splitlines()

    def _kill(self, process: int) -> None:
        """Send SIGKILL from outside of the container: inside, its first process cannot be killed."""
        code = f"import os; os.kill({process}, 9)"
        arguments = (
            "--rm",
            "--pid=host",
            "--user=0:0",
            "--network=none",
            "--entrypoint=python",
            "quartet-ops",
        )
        self.stack.docker("run", *arguments, "-c", code)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--postgres", action="append", metavar="IMAGE", help="default: postgres:18")
    parser.add_argument(
        "--no-build", action="store_true", help="only the server's image is made, from local ones"
    )
    parser.add_argument("--keep", action="store_true", help="leave the stack of a failed drill as it is")
    arguments = parser.parse_args()
    try:
        for image in arguments.postgres or ["postgres:18"]:
            drill(Stack({"POSTGRES_IMAGE": image}), build=not arguments.no_build, keep=arguments.keep)
    except DrillFailed as error:
        say(f"FAILED: {error}")
        return 1
    say("everything held")
    return 0


def drill(stack: Stack, *, build: bool, keep: bool) -> None:
    """One drill on one PostgreSQL. Raises DrillFailed."""
    say(f"── {stack.environment['POSTGRES_IMAGE']}")
    stack.end()
    held = False
    try:
        stack.build(*(("secrets", "shared-postgres", *SERVICES) if build else ("shared-postgres",)))
        Drill(stack).run()
        held = True
    finally:
        if held or not keep:
            stack.end()


if __name__ == "__main__":
    sys.exit(main())
