# sora2api in a container: docs/containers.md. State in /data, port 8000; the root file system may be read-only.
FROM python:3.13-slim-bookworm AS build
WORKDIR /source
COPY . .
# Wheels alone: what would want a compiler fails here.
RUN python3 -m venv --without-pip /opt/sora2api \
    && pip --python /opt/sora2api/bin/python3 install --no-cache-dir --only-binary=:all: "/source[speed]"

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="sora2api" \
      org.opencontainers.image.description="A self-hosted server of the Sora API" \
      org.opencontainers.image.licenses="MIT AND OFL-1.1"
RUN useradd --system --uid 10001 --user-group --home-dir /data --no-create-home --shell /usr/sbin/nologin sora2api \
    && install --directory --owner=sora2api --group=sora2api --mode=0700 /data
COPY --from=build /opt/sora2api /opt/sora2api
ENV PATH=/opt/sora2api/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SORA2API_DATA_DIR=/data
# By number, so that Kubernetes too can see that it is not root.
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=60s --interval=30s --timeout=5s \
    CMD ["python3", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8000, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["sora2api"]
CMD ["serve", "--host", "0.0.0.0"]
