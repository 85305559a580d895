# Settle's image: `settle serve`, `settle worker` and `settle migrate` by its command. docs/one-machine.md says how it is run.

FROM python:3.11-slim-bookworm AS build
# At the path where it will run: the code is installed as it lies there, with its migrations beside it.
WORKDIR /srv/settle
RUN python -m venv .venv
COPY constraints.txt pyproject.toml README.md ./
COPY app app
COPY chain chain
COPY handlers handlers
COPY prisma/migrations prisma/migrations
RUN .venv/bin/pip install --no-cache-dir --constraint constraints.txt --editable '.[traces]'

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin settle
COPY --from=build /srv/settle /srv/settle
ENV PATH=/srv/settle/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 SETTLE_HOST=0.0.0.0
USER 10001:10001
WORKDIR /
EXPOSE 8001 8443
# SIGTERM drains; the engine must wait longer than SETTLE_DRAIN_SECONDS (compose.yaml: stop_grace_period).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8001/health', timeout=2)"]
ENTRYPOINT ["settle"]
CMD ["serve", "--workers", "2"]
