# Two stages: the first makes a virtual environment of the locked packages and our wheel, the second contains nothing else.
ARG PYTHON=3.11-slim

FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1
WORKDIR /src
COPY requirements.txt requirements/build.txt ./
RUN pip install --require-hashes -r build.txt \
 && python -m venv /opt/sora_proxy \
 && /opt/sora_proxy/bin/pip install --require-hashes -r requirements.txt
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY sora_proxy ./sora_proxy
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/sora_proxy/bin/pip install --no-deps /wheels/*.whl

FROM python:${PYTHON}
# The uid is fixed, so that a mounted folder can be given to it: chown 10001:10001 FOLDER
RUN groupadd --gid 10001 sora_proxy \
 && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin sora_proxy \
 && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=build /opt/sora_proxy /opt/sora_proxy
ENV PATH=/opt/sora_proxy/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/data \
    LOG_FORMAT=json \
    container=docker
# Settings are read from here too: /app/.env, /app/config/sora_proxy.env, /app/api_keys.json. Nothing is written here.
WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 8890
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s --retries=3 \
    CMD ["python", "-m", "sora_proxy.healthcheck"]
# The exec form: Python is process 1 and gets the signals. Arguments are passed on: `docker run sora_proxy simulator --port 8891`.
ENTRYPOINT ["python", "-m", "sora_proxy"]
