# The edge on a slim Debian, installed by the same script as anywhere else (deploy/install).
FROM debian:bookworm-slim

COPY pyproject.toml README.md requirements.lock /usr/src/edge/
COPY deploy/install /usr/src/edge/deploy/install
COPY edge /usr/src/edge/edge
COPY certs /usr/src/edge/certs
RUN /usr/src/edge/deploy/install \
    && rm -rf /usr/src/edge /var/lib/apt/lists/* /var/cache/apt /root/.cache

# Addresses are those of the container; the ports' exposure is decided where it is run.
ENV EDGE_DATA_DIR=/var/lib/edge \
    EDGE_HTTP_BIND=0.0.0.0:8080 \
    EDGE_HTTPS_BIND=0.0.0.0:8443 \
    EDGE_CONTROL_BIND=0.0.0.0:8025 \
    EDGE_PANEL_BIND=0.0.0.0:8026 \
    EDGE_SMTP_BIND=0.0.0.0:2525 \
    EDGE_SMTPS_BIND=0.0.0.0:2465 \
    EDGE_RETURNS_BIND=0.0.0.0:2526

USER edge
WORKDIR /var/lib/edge
VOLUME /var/lib/edge
EXPOSE 8080 8443 8025 8026 2525 2465 2526

HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/opt/edge/bin/python", "-c", "import os, ssl, urllib.request; urllib.request.urlopen(('https' if os.environ.get('EDGE_CONTROL_TLS_CERT_FILE') else 'http') + '://127.0.0.1:8025/healthz', timeout=4, context=ssl._create_unverified_context())"]

# Exec form: the supervisor is process 1 and gets SIGTERM itself. It drains within 10 s and then
# stops the embedded Postgres, if it runs one: give it 30 s (compose.yaml does).
STOPSIGNAL SIGTERM
ENTRYPOINT ["edge"]
CMD ["serve"]
