# sora2api in a container: state in /data, port 8000. The first password and API key: /data/first-login.txt.
FROM python:3.13-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(echo /wheels/*.whl)[speed]" \
    && useradd --system --uid 10001 --no-create-home sora2api \
    && install --directory --owner sora2api --mode 0700 /data
USER sora2api
ENV SORA2API_DATA_DIR=/data PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=30s --interval=30s --timeout=5s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["sora2api"]
CMD ["serve", "--host", "0.0.0.0"]
